"""What is emulated: a Python for aarch64 with TVM, made once of a small arm64 Debian and wheels, in the cache folder.

Nothing needs administrator rights and nothing outside the cache changes; a change of what is wanted makes a new
folder. The C library and Python are Debian 12's, because their emulation by Debian 12's QEMU 7.2 is what was tried.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from blockfront.content_store import cache_folder
from blockfront.debian import SUITE, obstacle, unpack
from blockfront.digest import digest
from blockfront.errors import RunError
from blockfront.steps import publish, run_step
from blockfront.targets.latency.emulation.qemu import ARCHITECTURE, installed_qemu

_PYTHON = "3.11"
_DEBIAN = [
    *("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libc6", "libgcc-s1", "libstdc++6"),
    *("libgomp1", "zlib1g", "libexpat1", "libffi8", "libssl3", "libbz2-1.0", "liblzma5"),
]
_TAGS = ("manylinux_2_28", "manylinux_2_27", "manylinux2014", "manylinux_2_17")


@dataclass(frozen=True)
class Guest:
    """`root`: what stands for / to an emulated program; `site`: the wheels."""

    root: Path
    site: Path

    def command(self, *arguments: str) -> list[str]:
        """What follows QEMU and its processor: Python with `arguments`."""
        # -P and -s: nothing of this machine's Python may be found.
        return ["-L", str(self.root), str(self.root / f"usr/bin/python{_PYTHON}"), "-sP", *arguments]

    def environment(self, threads: int, *folders: Path) -> Mapping[str, str]:
        """What such a Python is started with: it finds the wheels and `folders`, and has `threads` threads at most."""
        names = ("TVM_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        paths = os.pathsep.join(str(path) for path in (self.site, *folders))
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.root.parent),
            "PYTHONPATH": paths,
            **dict.fromkeys(names, str(threads)),
        }


def wheels() -> list[str]:
    """What the emulated Python gets: this environment's TVM, and what that imports."""
    tvm = [f"{name}=={version(name)}" for name in ("apache-tvm", "apache-tvm-ffi")]
    return [*tvm, "numpy", "ml_dtypes", "typing_extensions"]


def guest_folder() -> Path:
    """Where the guest is kept, there already or not."""
    wanted = [SUITE, *_DEBIAN, *wheels()]
    key = digest("\n".join(wanted), 12)
    return cache_folder() / "emulation" / f"{ARCHITECTURE}-{key}"


def readiness() -> str:
    """Whether boards can be emulated here, in a line for a person; nothing is downloaded to find out."""
    qemu, missing = installed_qemu(), obstacle()
    if qemu is None and missing:
        return "not possible here: install qemu-user, which is for Linux"
    found = "QEMU to be downloaded" if qemu is None else f"QEMU {qemu.version}"
    if guest_folder().exists():
        return f"{found}; an arm64 Python and TVM are in {guest_folder()}"
    return f"not possible here: {missing}" if missing else f"{found}; an arm64 Python and TVM are yet to be downloaded"


def find_guest() -> Guest:
    """The guest, downloaded when it is not there; raises `RunError` when a program is missing or a download fails."""
    folder = guest_folder()
    if not folder.exists():
        print(f"downloading an arm64 Python and TVM (about 130 MB, once) to {folder}", file=sys.stderr)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            made = Path(name, "made")
            made.mkdir()
            unpack(_DEBIAN, "arm64", made / "root")
            install(wheels(), made / "site", emulated=True)
            publish(made, folder)
    return Guest(folder / "root", folder / "site")


def with_files(guest: Guest, folder: Path, files: Mapping[str, str]) -> Guest:
    """The guest with texts of its own where Linux would have others, such as `proc/cpuinfo`: by path from its root.

    They are in `folder`, which is made where it is not there.
    """
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            made = Path(name, "made")
            made.mkdir()
            for path in guest.root.iterdir():
                (made / path.name).symlink_to(path)
            for place, text in files.items():
                (made / place).parent.mkdir(parents=True, exist_ok=True)
                (made / place).write_text(text)
            publish(made, folder)
    return replace(guest, root=folder)


def install(requirements: Sequence[str], folder: Path, *, emulated: bool) -> None:
    """Put wheels, and nothing they ask for, into `folder`: for the emulated Python, or for this machine's.

    Raises `RunError` when there is no pip, or it fails.
    """
    if find_spec("pip") is None:
        raise RunError(f"pip is missing: {Path(sys.executable).name} -m ensurepip")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary=:all:", "--no-compile"]
    if emulated:
        command += ["--implementation", "cp", "--python-version", _PYTHON]
        command += [part for tag in _TAGS for part in ("--platform", f"{tag}_{ARCHITECTURE}")]
    run_step("installing wheels", *command, "--disable-pip-version-check", "--target", str(folder), *requirements)
