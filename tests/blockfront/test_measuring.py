"""Runners that need the processor to themselves."""

from __future__ import annotations

import json

import pytest

import blockfront
from blockfront.targets.latency.rounds import VISITS


@pytest.mark.long
def test_measured_networks_are_visited_in_rounds_and_all_samples_are_kept(commands):
    said = commands.run(
        "sample", "--n", "2", "--target", "host", "--threads", "1", "--space", "tiny.py:space", "--no-train"
    )
    assert said.returncode == 0, said.stderr
    assert "latency ms (measured, local)" in said.stdout
    frame = blockfront.load("tiny-host", commands.storage)
    assert list(frame["latency_source"]) == ["measured"] * 2
    assert (frame["latency_ci95_low_ms"] <= frame["latency_ms"]).all()
    assert (frame["latency_ms"] <= frame["latency_ci95_high_ms"]).all()
    assert (frame["threads"] == 1).all()
    for network_id in frame["network_id"]:
        (found,) = json.loads(commands.run("show", network_id, "--json").stdout)
        samples = found["latency_samples_ms"]
        assert len(samples) >= 10 * VISITS
        assert min(samples) <= found["latency_ms"] <= max(samples)
