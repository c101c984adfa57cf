"""Object files to a shared library, for any target, with the linker that the ziglang package brings."""

from __future__ import annotations

import subprocess
import sys

from bench.errors import RunError

_TIMEOUT_S = 120


def link(output: str, objects: list[str]) -> None:
    """Link `objects` into the shared library `output`.

    The kernels call nothing but libm and TVM's runtime, which the loading process has already, so no C library
    of the target is needed and one linker serves every architecture.
    """
    command = [sys.executable, "-m", "ziglang", "ld.lld", "-shared", "-s", "-o", output, *objects]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    if done.returncode:
        raise RunError(f"linking failed: {done.stderr.strip().splitlines()[-1:] or done.returncode}")
