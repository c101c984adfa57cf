"""Running a program under QEMU with the plugin, and what that counted."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from blockfront.errors import RunError
from blockfront.targets.latency.profiler.caches import Caches
from blockfront.targets.latency.profiler.counts import Counts, Profile, Region
from blockfront.targets.latency.profiler.emulators import Emulator
from blockfront.targets.latency.profiler.native import plugin

_CORE, _REGION, _DONE = 2, 3, 4


def run_profiled(
    emulator: Emulator,
    caches: Caches,
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    limit_s: float = 600,
) -> list[tuple[int, Profile]]:
    """Run `command` as the emulator's processor would; the value of each DONE mark, and what came before it.

    Raises `RunError` with the program's last line when it fails or takes longer than `limit_s`.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "counts")
        plugged = ",".join([str(plugin()), f"out={out}", *caches.arguments()])
        whole = [*emulator.command, "-plugin", plugged, *command]
        try:
            done = subprocess.run(whole, env=environment, capture_output=True, text=True, timeout=limit_s)
        except subprocess.TimeoutExpired as error:
            raise RunError(f"emulation took longer than {limit_s:g} s") from error
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise RunError(f"emulation failed: {said[-1] if said else f'status {done.returncode}'}")
        lines = out.read_text().splitlines()
    return list(_profiles([int(word) for word in line.split()] for line in lines))


def _profiles(lines: Iterator[list[int]]) -> Iterator[tuple[int, Profile]]:
    """Profiles from the plugin's lines: operation, value, core, counts of the stretch that the mark ends."""
    regions: list[Region] = []
    tasks: dict[int, Counts] = {}
    parallel = False
    for operation, value, core, *numbers in lines:
        counts = Counts(*numbers)
        if operation == _CORE:
            if parallel:
                tasks[core] = tasks.get(core, Counts()) + counts
            continue
        # Between the last task and the end of its region nothing happens.
        if operation == _REGION and not value:
            regions.append(Region(tuple(tasks[core] for core in sorted(tasks))))
        elif counts.instructions:
            regions.append(Region((counts,)))
        parallel, tasks = operation == _REGION and bool(value), {}
        if operation == _DONE:
            yield value, Profile(tuple(regions))
            regions = []
