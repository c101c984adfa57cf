"""How good predictions are, against published times of boards and this machine, and how well short trainings rank."""
