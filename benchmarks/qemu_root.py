"""What counting instructions needs beside an emulated Python (blockfront.targets.latency.emulation): ncnn and pnnx.

All of it is kept in the cache folder, and a change of what is wanted makes a new folder.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from blockfront import errors
from blockfront.content_store import cache_folder
from blockfront.digest import digest
from blockfront.steps import publish
from blockfront.targets import get_target
from blockfront.targets.latency.emulation.guest import Guest, find_guest, install
from blockfront.targets.latency.profiler import Profile, caches_of, find_emulator, run_profiled
from blockfront.validation.ncnn_emulation import NCNN

PNNX = "pnnx==20261020"


@dataclass(frozen=True)
class Counting:
    """An emulated Python that has TVM, and with `site` ncnn too; `pnnx` is this machine's."""

    guest: Guest
    site: Path
    pnnx: Path


def prepare() -> Counting:
    """What is needed, made when it is not there; raises `RunError` when a program is missing or a download fails."""
    guest = find_guest()
    key = digest("\n".join([NCNN, PNNX]), 12)
    folder = cache_folder() / "benchmarks" / f"ncnn-{key}"
    if not folder.exists():
        print(f"downloading ncnn and pnnx (about 35 MB, once) to {folder}", file=sys.stderr)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            made = Path(name, "made")
            install([NCNN], made / "site", emulated=True)
            install([PNNX], made / "pnnx", emulated=False)
            # pip does not keep the executable bit of a data file, and this binary needs nothing of pnnx's Python.
            (made / "pnnx/pnnx/pnnx").chmod(0o755)
            publish(made, folder)
    return Counting(guest, folder / "site", folder / "pnnx/pnnx/pnnx")


def run(script: str, *arguments: str) -> list[tuple[int, Profile]]:
    """Run a Python script as an RK3399's Cortex-A72 would, one thread; the value and the profile of each DONE mark.

    Raises `RunError` with the script's last line when it fails.
    """
    found, target = prepare(), get_target("rk3399")
    command = found.guest.command(script, *arguments)
    environment = found.guest.environment(1, found.site, Path(errors.__file__).parents[1])
    return run_profiled(find_emulator(target), caches_of(target), command, environment=environment, limit_s=3600)
