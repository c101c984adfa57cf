"""A few SIGKILLs, at moments that follow from a seed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

KILLS = Path(__file__).parents[2] / "benchmarks/kills.py"


@pytest.mark.processes
@pytest.mark.long
def test_studies_that_are_killed_end_with_the_rows_of_an_undisturbed_run():
    done = subprocess.run(
        [sys.executable, KILLS, "--kills", "3", "--seed", "0"], capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 kills")
