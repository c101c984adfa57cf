"""QEMU's user emulation: where it is, which processors it knows, and which of them stands for a target's."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench.errors import RunError, UsageError
from bench.targets.emulation.debian import SUITE, obstacle, unpack
from bench.targets.kernel_cache import cache_folder
from bench.targets.target import Target

ARCHITECTURE = "aarch64"
_NAMES = (f"qemu-{ARCHITECTURE}", f"qemu-{ARCHITECTURE}-static")
_ANY = "max"
# QEMU knows few processors. These have the instructions of the other, which is in every QEMU since 7.2, so that code
# for them runs there, and code that asks for more is found out.
_TWINS = {
    "cortex-a73": "cortex-a72",
    **dict.fromkeys(
        ("cortex-a55", "cortex-a75", "cortex-a77", "cortex-a78", "cortex-a78ae", "cortex-x1"), "cortex-a76"
    ),
}


@dataclass(frozen=True)
class Processor:
    """A processor of QEMU's, and why it was taken where it is not the target's own."""

    cpu: str
    note: str | None = None


@dataclass(frozen=True)
class Qemu:
    """A QEMU that runs programs for aarch64 Linux."""

    path: Path

    @cached_property
    def version(self) -> str:
        """As it calls itself, such as 7.2.22."""
        found = re.search(r"version (\S+)", self._ask("--version"))
        return found.group(1) if found else "of an unknown version"

    @cached_property
    def cpus(self) -> frozenset[str]:
        """The processors it knows."""
        _, _, names = self._ask("-cpu", "help").partition(":")
        return frozenset(names.split())

    def processor(self, target: Target) -> Processor:
        """The target's processor, one with the same instructions, or else the one that has all."""
        wanted = str(target.tvm_target.get("mcpu", ""))
        if wanted in self.cpus:
            return Processor(wanted)
        twin = _TWINS.get(wanted)
        if twin in self.cpus:
            return Processor(twin, f"QEMU {self.version} knows no {wanted}; a {twin} has the same instructions")
        named = wanted or "processor by that name"
        return Processor(_ANY, f"QEMU {self.version} knows no {named}; it emulates every instruction it knows")

    def _ask(self, *question: str) -> str:
        try:
            done = subprocess.run([str(self.path), *question], capture_output=True, text=True, timeout=30)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RunError(f"{self.path} does not run: {error}") from error
        # `-cpu help` ends with status 1.
        return done.stdout


def check_target(target: Target) -> None:
    """Raise `UsageError` unless code for `target` can run under emulation."""
    if target.is_host:
        raise UsageError(f"{target.name} is this machine: its code runs here, and bench profile compares it with torch")
    if target.tvm_target["kind"] != "llvm":
        raise UsageError(f"{target.name} cannot be emulated: QEMU emulates processors, not graphics; attach the board")
    architecture = str(target.tvm_target.get("mtriple", "")).partition("-")[0]
    if architecture != ARCHITECTURE:
        raise UsageError(
            f"{target.name} cannot be emulated: PyPI has TVM for Linux on x86-64 and {ARCHITECTURE}, and none for "
            f"{architecture or 'its architecture'}; attach a board whose TVM was built there"
        )


def installed_qemu() -> Qemu | None:
    """The QEMU on PATH, or the one fetched before."""
    for name in _NAMES:
        if (found := shutil.which(name)) is not None:
            return Qemu(Path(found))
    return Qemu(_kept()) if _kept().exists() else None


def find_qemu() -> Qemu:
    """`installed_qemu`, or Debian's, fetched to the cache folder; `RunError` with what to install where neither is."""
    found = installed_qemu()
    if found is not None:
        return found
    if obstacle():
        raise RunError(f"{_NAMES[0]} is missing: install qemu-user, which is for Linux")
    print(f"downloading QEMU (about 70 MB, once) to {_kept()}", file=sys.stderr)
    _kept().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_kept().parent) as name:
        try:
            # Linked with all it needs, so that no other package is.
            unpack(["qemu-user-static"], _own_architecture(), Path(name))
        except RunError as error:
            raise RunError(f"{error}; or install qemu-user") from error
        Path(name, "usr/bin", _NAMES[1]).rename(_kept())
    return Qemu(_kept())


def _kept() -> Path:
    return cache_folder() / "emulation" / f"{SUITE}-{_NAMES[1]}"


def _own_architecture() -> str:
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
