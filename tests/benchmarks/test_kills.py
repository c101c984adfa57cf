"""Sweeps whose processes are killed at random moments: the short version of `benchmarks/kills.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.processes
@pytest.mark.compiles
@pytest.mark.long
def test_studies_whose_processes_are_killed_end_as_undisturbed_ones(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from kills import Sweeps, kill_sweeps

    killed, studies = kill_sweeps(Sweeps(tmp_path, n=3, training=("--no-train",)), kills=24, seed=0)
    assert killed.total() == 24
    assert set(killed) == {"orchestrator", "worker"}
    assert studies > 0
