"""From a torch module to a checked program: export, import, lower, schedule, build, link, compare."""
