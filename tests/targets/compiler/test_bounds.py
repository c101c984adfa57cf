"""Kernels touch nothing beyond their tensors: pages behind these end the process of whoever does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from blockfront.targets.latency.profiler.native import compile_c

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def guard_pages(tmp_path_factory):
    library = tmp_path_factory.mktemp("guard") / "guard_pages.so"
    compile_c(HERE / "guard_pages.c", library, "-shared", "-fPIC", "-O2")
    return library


def guarded(library: Path, *target: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.targets.compiler.guarded", *target]
    environment = os.environ | {"LD_PRELOAD": str(library)}
    return subprocess.run(command, cwd=HERE.parents[2], env=environment, capture_output=True, text=True, timeout=1200)


@pytest.mark.long
@pytest.mark.compiles
def test_a_byte_beyond_a_tensor_ends_the_process(guard_pages):
    assert guarded(guard_pages).returncode == -signal.SIGSEGV


@pytest.mark.long
@pytest.mark.compiles
@pytest.mark.parametrize("target", ["host", "rpi5"])
def test_no_network_touches_what_lies_beyond_a_tensor(guard_pages, target):
    """Of a board, its schedules in the host's own code, which the comparison with torch runs."""
    done = guarded(guard_pages, target)
    assert done.returncode == 0, f"{done.stdout.splitlines()[-1:]} {done.stderr[-300:]}"
