"""How much faster the best family is at equal accuracy, by hand and against a plain computation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from blockfront.analysis import Objectives, accuracy_levels, compare_targets, comparison_sentences, speedups
from blockfront.errors import UsageError


def table(families, target="t", **more):
    """Networks of {family: [(latency, top1), …]}."""
    rows = [
        {
            "study": target,
            "state": "complete",
            "network_id": f"{family}{i}",
            "family": family,
            "target": target,
            "latency_source": "simulated",
            "predictor": "zigzag",
            "latency_ms": latency,
            "top1": top1,
            **more,
        }
        for family, points in families.items()
        for i, (latency, top1) in enumerate(points)
    ]
    return pd.DataFrame(rows)


ACCURACIES = (0.5, 0.6, 0.7, 0.8, 0.9)
LATENCIES = (1.0, 2.0, 3.0, 4.0, 5.0)
FAST = list(zip(LATENCIES, ACCURACIES, strict=True))
TWICE = [(2 * latency, top1) for latency, top1 in FAST]


def test_a_family_that_always_takes_twice_as_long_loses_by_two():
    (row,) = speedups(table({"fast": FAST, "slow": TWICE})).to_dict("records")
    assert (row["best"], row["family"], row["networks"]) == ("fast", "slow", 5)
    assert row["wins"] == row["levels"]
    assert row["speedup"] == pytest.approx(2)
    assert row["speedup_low"] <= 2 <= row["speedup_high"]


def test_the_ratio_is_geometric_over_the_accuracies_both_reach():
    other = [(2.0, 0.5), (4.0, 0.6), (3.0, 0.61), (30.0, 0.7), (31.0, 0.69)]
    (row,) = speedups(table({"fast": FAST, "other": other}), levels=(0.5, 0.6, 0.7, 0.8)).to_dict("records")
    # At 0.5: 2 to 1; at 0.6: 3 (more accurate and faster) to 2; at 0.7: 30 to 3; nothing of it reaches 0.8.
    assert row["levels"] == 3
    assert row["speedup"] == pytest.approx((2 * 1.5 * 10) ** (1 / 3))


def test_the_best_family_costs_least_at_most_accuracies():
    mixed = [(0.5, 0.5), *((latency + 0.5, top1) for latency, top1 in FAST[1:])]
    found = speedups(table({"mixed": mixed, "fast": FAST}), levels=ACCURACIES)
    assert found["best"].tolist() == ["fast"]
    assert found["wins"].tolist() == [4]


def test_the_same_seed_gives_the_same_interval_and_single_networks_widen_it(make_study):
    study = make_study(200)
    first, again = speedups(study, seed=3), speedups(study, seed=3)
    pd.testing.assert_frame_equal(first, again)
    few = speedups(study.head(80), seed=3)
    assert (first["speedup_high"] - first["speedup_low"]).median() < (few["speedup_high"] - few["speedup_low"]).median()


def test_speedups_agree_with_a_plain_loop(make_study):
    study = make_study(150)
    found = speedups(study, draws=10)
    levels = accuracy_levels(study)
    best = study[study["family"] == found["best"].iloc[0]]
    for row in found.to_dict("records"):
        own = study[study["family"] == row["family"]]
        logs = []
        for level in levels:
            a, b = (rows[rows["top1"] >= level]["latency_ms"] for rows in (own, best))
            if len(a) and len(b):
                logs.append(math.log(a.min() / b.min()))
        assert row["levels"] == len(logs)
        assert row["speedup"] == pytest.approx(math.exp(np.mean(logs)))


def test_small_families_do_not_count():
    assert speedups(table({"fast": FAST, "slow": TWICE[:4]})).empty
    assert speedups(table({"fast": FAST})).empty
    assert accuracy_levels(table({"fast": FAST}).assign(top1=None)) == ()


def test_energy_is_compared_like_latency():
    frame = table({"fast": FAST, "slow": TWICE})
    frame["energy_mj"] = frame["latency_ms"] ** 2
    (row,) = speedups(frame, Objectives("energy_mj", "top1")).to_dict("records")
    assert row["speedup"] == pytest.approx(4)


def test_targets_that_rank_families_otherwise_are_told_apart():
    processor = table({"a": FAST, "b": TWICE}, "cpu")
    accelerator = table({"a": [(4 * latency, top1) for latency, top1 in FAST], "b": TWICE}, "npu")
    comparison = compare_targets({"cpu": processor, "npu": accelerator})
    assert [table["best"].iloc[0] for table in comparison.speedups.values()] == ["a", "b"]
    (pair,) = comparison.pairs.to_dict("records")
    assert pair["shared"] == 10
    lines = comparison_sentences(comparison)
    assert lines[0].startswith(
        "cpu (simulated by zigzag): a is best; at equal accuracy, 1 other family takes 2.00 times"
    )
    assert any(line.startswith("a, the best on cpu, takes 2.00 times b's latency on npu") for line in lines)


def test_one_study_or_one_without_the_metric_is_no_comparison():
    frame = table({"a": FAST})
    with pytest.raises(UsageError, match="two studies or more"):
        compare_targets({"one": frame})
    with pytest.raises(UsageError, match="study two has no energy_mj"):
        compare_targets({"two": frame, "three": frame}, Objectives("energy_mj", "top1"))
