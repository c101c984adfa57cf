"""Two runs of the same networks: the ratio, its interval, and what cannot be compared."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from blockfront.analysis import compare_runs, percentage
from blockfront.errors import UsageError


def run(latencies, **more):
    """A run of one network for each latency."""
    rows = [
        {
            "state": "complete",
            "network_id": f"n{i}",
            "family": "ir",
            "target": "host",
            "toolchain": "tvm",
            "precision": "float32",
            "threads": 2,
            "latency_source": "measured",
            "latency_ms": latency,
            **more,
        }
        for i, latency in enumerate(latencies)
    ]
    return pd.DataFrame(rows)


BEFORE = [1.0, 2.0, 4.0, 8.0, 16.0]


def test_the_ratio_is_the_geometric_mean_over_networks():
    after = [latency * factor for latency, factor in zip(BEFORE, (1.0, 1.0, 1.1, 1.2, 1.3), strict=True)]
    paired = compare_runs({"a": run(BEFORE), "b": run(after)})
    assert paired.ratio == pytest.approx((1.1 * 1.2 * 1.3) ** (1 / 5))
    assert 1.0 <= paired.low < paired.ratio < paired.high <= 1.3
    assert list(paired.networks["network_id"]) == ["n4", "n3", "n2", "n0", "n1"]


def test_the_interval_is_as_wide_as_the_normal_one_for_many_networks():
    """Of a mean of 400 logarithms with standard deviation 0.1, 1.96 × 0.005 to either side."""
    logs = np.random.default_rng(0).normal(0.05, 0.1, 400)
    before = np.random.default_rng(1).uniform(1, 50, 400)
    paired = compare_runs({"a": run(before), "b": run(before * np.exp(logs))})
    half = 1.96 * logs.std(ddof=1) / 20
    assert math.log(paired.low) == pytest.approx(logs.mean() - half, abs=0.1 * half)
    assert math.log(paired.high) == pytest.approx(logs.mean() + half, abs=0.1 * half)


@pytest.mark.parametrize(
    ("factors", "limit", "slower"),
    [
        ((1.1,) * 5, 0.05, True),
        ((1.1,) * 5, 0.15, False),
        ((0.5,) * 5, 0.0, False),
        ((1.0,) * 5, 0.0, False),
        ((1.0, 1.0, 1.0, 1.0, 2.0), 0.05, False),  # One network alone shows nothing of the others.
    ],
)
def test_a_run_is_slower_where_the_whole_interval_lies_above_the_limit(factors, limit, slower):
    after = [latency * factor for latency, factor in zip(BEFORE, factors, strict=True)]
    assert compare_runs({"a": run(BEFORE), "b": run(after)}).slower_than(limit) is slower


def test_networks_of_one_run_alone_are_counted_and_left_out():
    after = run([*BEFORE, 3.0, 5.0])
    after.loc[0, "state"] = "failed"
    paired = compare_runs({"a": run([*BEFORE, 3.0]), "b": after})
    assert (len(paired.networks), paired.only_before, paired.only_after) == (5, 1, 1)


def test_another_toolchain_is_what_may_be_compared():
    assert compare_runs({"a": run(BEFORE), "b": run(BEFORE, toolchain="onnxruntime")}).ratio == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"target": "rk3399"}, "a and b differ in targets (host and rk3399)"),
        ({"precision": "int8"}, "a and b differ in number formats (float32 and int8)"),
        ({"threads": 1}, "a and b differ in thread counts (2 and 1)"),
        ({"threads": None}, "a and b differ in thread counts (2 and none)"),
        ({"latency_source": "predicted", "predictor": "roofline"}, "a and b differ in latency sources"),
        ({"predictor": "roofline"}, "a and b differ in predictors (none and roofline)"),
        ({"network_id": "other"}, "networks with latency_ms that a and b share: 0; an interval needs 5 or more"),
    ],
)
def test_runs_of_other_conditions_are_refused(more, words):
    with pytest.raises(UsageError, match=words.replace("(", r"\(").replace(")", r"\)")):
        compare_runs({"a": run(BEFORE), "b": run(BEFORE, **more)})


def test_sizes_are_compared_whatever_the_target():
    before, after = run(BEFORE, params=1000), run(BEFORE, params=1100, target="rk3399")
    assert compare_runs({"a": before, "b": after}, "params").ratio == pytest.approx(1.1)
    with pytest.raises(UsageError, match="top1 is not to be minimized"):
        compare_runs({"a": before, "b": after}, "top1")


@pytest.mark.parametrize("text", ["5", "0.05", "five%", "%", "5%%", "nan%", ""])
def test_a_limit_is_a_percentage(text):
    assert percentage("2.5 %") == 0.025
    with pytest.raises(UsageError, match="is no percentage: write 5% or"):
        percentage(text)
    with pytest.raises(UsageError, match="-5% is below 0"):
        percentage("-5%")
