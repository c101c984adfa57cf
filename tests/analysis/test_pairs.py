"""Families of networks that were drawn in pairs: resamples of skeletons, and what swapping a block changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from blockfront.analysis import family_table, headline, lead, render_report, speedups, swaps
from blockfront.analysis.frame import tidy
from blockfront.analysis.metrics import OBJECTIVES
from blockfront.analysis.seeds import covered
from blockfront.analysis.statistics import drawn_together, held, present


def _pairs(skeletons: int = 12, seed: int = 0) -> pd.DataFrame:
    """Skeletons of very different cost and accuracy; in each "fast" costs 0.8 times "slow", and is 0.01 better."""
    rng = np.random.default_rng(seed)
    rows = []
    for skeleton in range(skeletons):
        cost, top1 = float(np.exp(rng.normal(0, 1))), float(rng.uniform(0.5, 0.9))
        for family, ratio, step in (("fast", 0.8, 0.01), ("slow", 1.0, 0.0)):
            noise = float(np.exp(rng.normal(0, 0.02)))
            rows.append(
                {
                    "study": "pairs",
                    "state": "complete",
                    "network_id": f"{family}{skeleton}",
                    "family": family,
                    "skeleton": skeleton,
                    "latency_ms": cost * ratio * noise,
                    "top1": top1 + step,
                    "macs": 1e6 * cost,
                }
            )
    return pd.DataFrame(rows)


def test_a_resample_has_all_networks_of_a_skeleton_or_none() -> None:
    table = tidy(_pairs())
    drawn = held(table, 200, 0)
    assert (drawn[:, 0::2] == drawn[:, 1::2]).all()
    assert 0 < drawn.mean() < 1
    assert drawn_together(table)


def test_networks_without_skeletons_are_drawn_one_by_one_as_before() -> None:
    table = tidy(_pairs().drop(columns="skeleton"))
    assert not drawn_together(table)
    assert (held(table, 50, 3) == present(len(table), 50, 3)).all()
    assert held(table.iloc[:0], 50, 3).shape == (50, 0)


def test_skeletons_of_two_studies_are_two() -> None:
    both = tidy(pd.concat([_pairs(), _pairs().assign(study="others")]))
    drawn = held(both, 200, 0)
    assert (drawn[:, 0:24:2] == drawn[:, 1:24:2]).all()
    assert not (drawn[:, :24] == drawn[:, 24:]).all()


def test_what_is_resampled_is_said() -> None:
    pairs, alone = _pairs(), _pairs().drop(columns="skeleton")
    found = lead(pairs, 10.0)
    assert found is not None
    assert found.paired
    assert family_table(pairs)["paired"].all()
    assert speedups(pairs)["paired"].all()
    assert not family_table(alone)["paired"].any()
    assert covered(tidy(pairs), OBJECTIVES).startswith("which skeletons were sampled")
    sentence = "Families are compared in pairs: 11 of 12 skeletons have a finished network of every family"
    assert any(line.startswith(sentence) for line in headline(pairs.iloc[1:]))
    assert not any("pairs" in line for line in headline(alone))


def test_speedups_in_pairs_are_surer_and_just_as_large() -> None:
    pairs = _pairs(30)
    together, alone = (speedups(frame).iloc[0] for frame in (pairs, pairs.drop(columns="skeleton")))
    assert together["speedup"] == alone["speedup"]
    assert together["speedup_high"] - together["speedup_low"] < 0.6 * (alone["speedup_high"] - alone["speedup_low"])


def test_a_swap_is_the_mean_over_skeletons_that_have_both() -> None:
    """By hand: 0.8 times the cost and one point more in each skeleton, with noise of 2 % on either cost."""
    found = swaps(_pairs(), "slow").iloc[0]
    assert (found["reference"], found["family"], found["skeletons"], found["trained"]) == ("slow", "fast", 12, 12)
    assert found["cost_ratio_low"] < 0.8 < found["cost_ratio_high"]
    assert found["cost_ratio_high"] - found["cost_ratio_low"] < 0.05
    assert found[["difference", "difference_low", "difference_high"]].tolist() == pytest.approx([0.01] * 3)
    other = swaps(_pairs(), "fast").iloc[0]
    assert other["cost_ratio"] == pytest.approx(1 / found["cost_ratio"])


def test_a_swap_counts_failed_and_untrained_networks_out_and_few_get_no_interval() -> None:
    rows = _pairs()
    rows.loc[0, "state"] = "failed"
    rows.loc[rows.index >= 8, "top1"] = None
    found = swaps(rows, "slow").iloc[0]
    assert (found["skeletons"], found["trained"]) == (11, 3)
    assert np.isnan(found["difference_low"])
    assert swaps(rows.drop(columns="skeleton"), "slow").empty
    assert swaps(rows, "nobody").empty


def test_a_report_of_pairs_has_a_table_of_swaps_and_of_others_none() -> None:
    page = render_report(_pairs())
    assert "Swapping fast for another block in the same skeleton" in page
    assert "1.25" in page or "1.24" in page or "1.26" in page
    assert "Swapping" not in render_report(_pairs().drop(columns="skeleton"))
