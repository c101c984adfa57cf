"""Constraints of a space on what is known once a network is compiled: those outside are rejected, and it is said."""

import json

import pytest

import blockfront
from blockfront.design_space.constraints import broken_by_count, check_constraints, why_rejected
from blockfront.errors import RunError, UsageError
from tests.blockfront.conftest import SPACE


@pytest.mark.long
def test_networks_outside_are_drawn_profiled_and_rejected_and_never_trained(commands, finished):
    latencies = sorted(blockfront.load(finished.study, finished.commands.storage)["latency_ms"])
    limit = (latencies[0] + latencies[-1]) / 2
    bounds = {"latency_ms": (0, limit), "flash_bytes": (0, 1e9)}
    bounded = SPACE.read_text().replace('"tiny",', f'"tiny",\n    constraints={bounds!r},', 1)
    (commands.folder / "tiny.py").write_text(bounded)
    done = commands.sample(finished.n, "--json")
    assert done.returncode == 0, done.stderr
    rows = blockfront.load(finished.study, commands.storage)
    assert list(rows["latency_ms"].sort_values()) == latencies, "what is rejected was drawn, and no other in its place"
    outside = rows["latency_ms"] > limit
    assert list(rows["state"]) == ["rejected" if out else "complete" for out in outside]
    assert list(rows["top1"].isna()) == list(outside)
    assert set(rows.loc[outside, "rejected"]) == {f"latency_ms is outside 0 to {limit:g}"}
    assert json.loads(done.stdout)["failures"] == {}

    again = commands.sample(finished.n)
    share = f"{sum(outside)} of {finished.n} rejected ({sum(outside) / finished.n:.0%}): latency_ms is outside"
    assert share in again.stdout
    listed = json.loads(commands.run("studies", "--json").stdout)
    assert [(one["complete"], one["rejected"], one["failed"]) for one in listed] == [(sum(~outside), sum(outside), 0)]


def test_broken_bounds_are_counted_one_by_one():
    rows = [{"flash_bytes": 10, "latency_ms": latency, "toolchain": "tvm"} for latency in (1.0, 2.0, 3.0)]
    bounds = {"flash_bytes": (0, 9), "latency_ms": (0, 1.5)}
    counted = broken_by_count(filter(None, (why_rejected(row, bounds) for row in rows)))
    assert counted == [("flash_bytes is outside 0 to 9", 3), ("latency_ms is outside 0 to 1.5", 2)]


def test_both_bounds_are_allowed_and_every_broken_one_is_named():
    row = {"flash_bytes": 10, "ram_bytes": 5, "latency_ms": 2.0, "toolchain": "tvm"}
    assert why_rejected(row, {"flash_bytes": (10, 20), "ram_bytes": (0, 5), "macs": (0, 0)}) is None
    both = why_rejected(row, {"flash_bytes": (0, 9), "latency_ms": (3, 4)})
    assert both == "flash_bytes is outside 0 to 9 and latency_ms is outside 3 to 4"


def test_what_a_toolchain_does_not_give_fails_with_what_to_do():
    row = {"flash_bytes": None, "ram_bytes": None, "latency_ms": 2.0, "toolchain": "zigzag"}
    with pytest.raises(RunError, match="the space bounds ram_bytes, which zigzag gives none of; leave the constraint"):
        why_rejected(row, {"ram_bytes": (0, 5)})


def test_an_unknown_constraint_names_those_there_are():
    with pytest.raises(UsageError, match=r"unknown constraint 'flash'.*ram_bytes or latency_ms|flash_bytes"):
        check_constraints({"flash": (0, 1)})
