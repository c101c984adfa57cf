"""Steps of a set-up: programs that are run, with one line when they fail, and folders that appear whole."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from blockfront.errors import RunError


def run_step(
    what: str,
    *command: str,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    limit_s: float = 1800,
) -> str:
    """What a program says until it ends; raises `RunError` that `what` failed, with the line in which it says why."""
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        raise RunError(f"{what} took longer than {limit_s / 60:g} min") from error
    if done.returncode:
        raise RunError(f"{what} failed: {_reason(done.stderr.strip() or done.stdout.strip())}")
    return done.stdout + done.stderr


def publish(made: Path, folder: Path) -> None:
    """Give a finished folder its name; when another process was faster, its folder serves as well."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.exists():
            raise


def _reason(said: str) -> str:
    """The first line that apt, pip, the compiler or the linker calls an error, else the last: Python's exception."""
    lines = [line.strip() for line in said.splitlines()]
    called = [line for line in lines if line.startswith(("E: ", "ERROR: ")) or " error: " in line]
    return (called or lines[-1:] or ["no message"])[0]
