"""QEMU's user emulation: where it is, which processors it knows, and which of them stands for a target's."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from blockfront.content_store import cache_folder
from blockfront.debian import SUITE, obstacle, unpack
from blockfront.errors import RunError, UsageError
from blockfront.steps import publish
from blockfront.targets.hardware.target import Target

ARCHITECTURE = "aarch64"
"""What boards in software are emulated for: PyPI has TVM for it."""
_ANY = "max"
# QEMU knows few processors. These have the instructions of the other, which is in every QEMU since 7.2, so that code
# for them runs there, and code that asks for more is found out.
_TWINS = {
    "cortex-a73": "cortex-a72",
    **dict.fromkeys(
        ("cortex-a55", "cortex-a75", "cortex-a77", "cortex-a78", "cortex-a78ae", "cortex-x1"), "cortex-a76"
    ),
}
# What Debian's qemu-user is linked with.
_LIBRARIES = [
    *("libc6", "libgcc-s1", "zlib1g", "libcapstone4", "libnuma1", "liburing2", "libglib2.0-0", "libpcre2-8-0"),
    *("libgnutls30", "libp11-kit0", "libidn2-0", "libunistring2", "libtasn1-6", "libnettle8", "libhogweed6"),
    *("libgmp10", "libffi8"),
]


@dataclass(frozen=True)
class EmulatedProcessor:
    """A processor of QEMU's, and why it was taken where it is not the target's own."""

    cpu: str
    note: str | None = None


@dataclass(frozen=True)
class Qemu:
    """A QEMU that runs programs of one architecture for Linux, and what starts it: itself, or first a loader."""

    command: tuple[str, ...]

    @property
    def version(self) -> str:
        """As it calls itself, such as 7.2.22."""
        found = re.search(r"version (\S+)", _ask(self.command, "--version"))
        return found.group(1) if found else "of an unknown version"

    @property
    def cpus(self) -> frozenset[str]:
        """The processors it knows."""
        _, _, names = _ask(self.command, "-cpu", "help").partition(":")
        return frozenset(names.split())

    def as_cpu(self, cpu: str) -> list[str]:
        """The beginning of a command that runs as `cpu` would."""
        return [*self.command, "-cpu", cpu]

    def processor(self, target: Target) -> EmulatedProcessor:
        """The target's processor, one with the same instructions, or else the one that has all."""
        wanted = str(target.tvm_target.get("mcpu", ""))
        if wanted in self.cpus:
            return EmulatedProcessor(wanted)
        twin = _TWINS.get(wanted)
        if twin in self.cpus:
            return EmulatedProcessor(twin, f"QEMU {self.version} knows no {wanted}; a {twin} has the same instructions")
        named = wanted or "processor by that name"
        return EmulatedProcessor(_ANY, f"QEMU {self.version} knows no {named}; it emulates every instruction it knows")


def check_emulable(target: Target) -> None:
    """Raise `UsageError` unless code for `target` can run under emulation."""
    if target.local:
        raise UsageError(f"{target.name} is this machine: its code runs here, and bench profile compares it with torch")
    if target.unemulated is not None:
        remedy = "; attach the board" if target.serves else ""
        raise UsageError(f"{target.name} cannot be emulated: {target.unemulated}{remedy}")
    if target.architecture != ARCHITECTURE:
        raise UsageError(
            f"{target.name} cannot be emulated: PyPI has TVM for Linux on x86-64 and {ARCHITECTURE}, and none for "
            f"{target.architecture or 'its architecture'}; attach a board whose TVM was built there"
        )


def installed_qemu(architecture: str = ARCHITECTURE, *, plugins: bool = False) -> Qemu | None:
    """The QEMU on PATH, or the one fetched before. `plugins`: one that takes plugins, which Debian's static do not."""
    for name in [f"qemu-{architecture}", *[f"qemu-{architecture}-static"] * (not plugins)]:
        if (found := shutil.which(name)) is not None:
            return Qemu((found,))
    folder = _folder(plugins)
    if not folder.exists():
        return None
    if not plugins:
        return Qemu((str(folder / f"usr/bin/qemu-{architecture}-static"),))
    loader = next(path for path in sorted(folder.glob("lib*/**/ld-linux-*")) if path.exists())
    libraries = ":".join(sorted({str(path.parent) for path in folder.glob("**/lib*.so*")}))
    return Qemu((str(loader), "--library-path", libraries, str(folder / f"usr/bin/qemu-{architecture}")))


def find_qemu(architecture: str = ARCHITECTURE, *, plugins: bool = False) -> Qemu:
    """`installed_qemu`, or Debian's, fetched to the cache folder; `RunError` with what to install where neither is."""
    found = installed_qemu(architecture, plugins=plugins)
    if found is not None:
        return found
    if obstacle():
        raise RunError(f"qemu-{architecture} is missing: install qemu-user, which is for Linux")
    folder = _folder(plugins)
    print(f"downloading QEMU (about {30 if plugins else 70} MB, once) to {folder}", file=sys.stderr)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # The static one needs no other package.
    packages = ["qemu-user", *_LIBRARIES] if plugins else ["qemu-user-static"]
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        made = Path(name, "made")
        try:
            unpack(packages, _own_architecture(), made)
        except RunError as error:
            raise RunError(f"{error}; or install qemu-user") from error
        publish(made, folder)
    return find_qemu(architecture, plugins=plugins)


@cache
def _ask(command: tuple[str, ...], *question: str) -> str:
    """What a QEMU answers, asked once a process."""
    try:
        # `-cpu help` ends with status 1.
        return subprocess.run([*command, *question], capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunError(f"{command[-1]} does not run: {error}") from error


def _folder(plugins: bool) -> Path:
    return cache_folder() / "emulation" / f"{SUITE}-qemu-user{'' if plugins else '-static'}"


def _own_architecture() -> str:
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
