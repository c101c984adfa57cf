"""What counting instructions needs beside an emulated board (bench.targets.emulation): ncnn, pnnx and a plugin.

All of it is kept in the cache folder, and a change of what is wanted makes a new folder.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.targets.emulation.guest import Guest, find_guest, install, publish
from bench.targets.emulation.steps import require, run_step
from bench.targets.content_store import cache_folder

PLUGIN_SOURCE = Path(__file__).with_name("count_instructions.c")
NCNN, PNNX = "ncnn==1.0.20261020", "pnnx==20261020"
_CPU = "cortex-a72"


@dataclass(frozen=True)
class Counting:
    """An emulated Python that has TVM, and with `site` ncnn too; `pnnx` and QEMU's `plugin` are this machine's."""

    guest: Guest
    site: Path
    pnnx: Path
    plugin: Path


def prepare() -> Counting:
    """What is needed, made when it is not there; raises `RunError` when a program is missing or a download fails."""
    # Debian's QEMU for all architectures in one takes no plugins.
    require({"qemu-aarch64": "apt install qemu-user", "gcc": "apt install gcc"})
    guest = find_guest()
    key = hashlib.sha256("\n".join([NCNN, PNNX, PLUGIN_SOURCE.read_text()]).encode()).hexdigest()[:12]
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
            plugin = str(made / "plugin.so")
            run_step("compiling the plugin", "gcc", "-shared", "-fPIC", "-O2", "-o", plugin, str(PLUGIN_SOURCE))
            publish(made, folder)
    return Counting(guest, folder / "site", folder / "pnnx/pnnx/pnnx", folder / "plugin.so")


def run(script: str, *arguments: str, counts: Path, caches: bool = False) -> list[list[int]]:
    """Run a Python script as a Cortex-A72 would, one thread; returns the plugin's lines, a list of integers each.

    Raises `RunError` with the script's last line when it fails.
    """
    found = prepare()
    plugin = f"{found.plugin},out={counts},caches={'on' if caches else 'off'}"
    command = found.guest.command(Path("qemu-aarch64"), _CPU, script, *arguments, options=["-plugin", plugin])
    environment = found.guest.environment(1, found.site)
    run_step(f"emulating {Path(script).name}", *command, environment=environment, limit_s=3600)
    return [[int(value) for value in line.split()] for line in counts.read_text().splitlines()]
