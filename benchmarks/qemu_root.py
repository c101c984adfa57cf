"""What counting instructions needs beside an emulated Python (blockfront.targets.latency.emulation): other runtimes.

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
from blockfront.targets.latency.emulation.guest import Guest, find_guest, install, with_files
from blockfront.targets.latency.profiler import Profile, caches_of, find_emulator, run_profiled
from blockfront.validation.ncnn_emulation import NCNN

PNNX = "pnnx==20261020"
LITERT = "ai-edge-litert==2.3.0"
PARTS = {"cortex-a53": 0xD03, "cortex-a55": 0xD05, "cortex-a72": 0xD08, "cortex-a73": 0xD09, "cortex-a76": 0xD0B}
"""Arm's part numbers, as /proc/cpuinfo has them."""


@dataclass(frozen=True)
class Counting:
    """An emulated Python that has TVM, and with `site` ncnn and LiteRT too; `pnnx` is this machine's."""

    guest: Guest
    site: Path
    pnnx: Path


def prepare() -> Counting:
    """What is needed, made when it is not there; raises `RunError` when a program is missing or a download fails."""
    guest = find_guest()
    key = digest("\n".join([NCNN, LITERT, PNNX]), 12)
    folder = cache_folder() / "benchmarks" / f"runtimes-{key}"
    if not folder.exists():
        print(f"downloading ncnn, LiteRT and pnnx (about 50 MB, once) to {folder}", file=sys.stderr)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            made = Path(name, "made")
            install([NCNN, LITERT], made / "site", emulated=True)
            install([PNNX], made / "pnnx", emulated=False)
            # pip does not keep the executable bit of a data file, and this binary needs nothing of pnnx's Python.
            (made / "pnnx/pnnx/pnnx").chmod(0o755)
            publish(made, folder)
    return Counting(guest, folder / "site", folder / "pnnx/pnnx/pnnx")


def with_processor(guest: Guest, core: str) -> Guest:
    """The guest, which finds one processor as Linux reports it.

    LiteRT takes kernels by the core's part number; this machine's own /proc/cpuinfo makes it crash.
    """
    lines = ("processor\t: 0", "CPU implementer\t: 0x41", "CPU architecture: 8", f"CPU part\t: {PARTS[core]:#x}")
    files = {"proc/cpuinfo": "\n".join([*lines, "", ""])}
    files |= {f"sys/devices/system/cpu/{name}": "0\n" for name in ("possible", "present")}
    return with_files(guest, cache_folder() / "benchmarks" / f"root-{guest.root.parent.name}-{core}", files)


def run(name: str, script: str, *arguments: str) -> list[tuple[int, Profile]]:
    """Run a Python script as the target of a name would, one thread; the value and the profile of each DONE mark.

    Raises `RunError` with the script's last line when it fails.
    """
    found, target = prepare(), get_target(name)
    guest = with_processor(found.guest, str(target.tvm_target["mcpu"]))
    command = guest.command(script, *arguments)
    environment = guest.environment(1, found.site, Path(errors.__file__).parents[1])
    return run_profiled(find_emulator(target), caches_of(target), command, environment=environment, limit_s=3600)
