"""Packages of Debian, downloaded and unpacked without administrator rights and without touching the system's own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from blockfront.errors import RunError
from blockfront.steps import run_step

SUITE = "bookworm"
_MIRROR = "http://deb.debian.org/debian"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def obstacle() -> str | None:
    """Why packages of Debian cannot be had here, and what to do; None when they can."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return "apt-get and dpkg are missing: use Debian or Ubuntu"
    if not _KEYRING.exists():
        return "Debian's keys are missing: apt install debian-archive-keyring"
    return None


def unpack(packages: Sequence[str], architecture: str, root: Path) -> None:
    """Put the files of `packages`, whose signatures apt checks, below `root`; what they depend on is not followed.

    Raises `RunError` where apt or Debian's keys are missing, and when a download fails.
    """
    reason = obstacle()
    if reason is not None:
        raise RunError(reason)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        apt = ["apt-get", "-qq", *_private(work, architecture)]
        run_step("fetching Debian's lists", *apt, "update")
        run_step("downloading from Debian", *apt, "download", *packages, folder=work / "packages")
        for package in sorted((work / "packages").glob("*.deb")):
            run_step(f"unpacking {package.name}", "dpkg", "-x", str(package), str(root))


def _private(work: Path, architecture: str) -> list[str]:
    """Options that give apt lists, status and sources of its own, all in `work`."""
    for part in ("state/lists/partial", "cache/archives/partial", "packages"):
        (work / part).mkdir(parents=True)
    (work / "status").touch()
    (work / "sources.list").write_text(f"deb [arch={architecture} signed-by={_KEYRING}] {_MIRROR} {SUITE} main\n")
    settings = {
        "Dir::State": work / "state",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "Dir::Etc::sourcelist": work / "sources.list",
        "Dir::Etc::sourceparts": os.devnull,
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        # As root apt would fetch as another user, who may not write into our folder.
        "APT::Sandbox::User": "",
        # Else lists that cannot be fetched are only warned about.
        "APT::Update::Error-Mode": "any",
    }
    return [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
