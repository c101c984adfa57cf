from __future__ import annotations

import math

import pandas as pd
import pytest

from blockfront.analysis import best_at_budgets, default_budgets, family_table, front, lead, study_box
from blockfront.errors import UsageError


def two_families(n: int = 8) -> pd.DataFrame:
    """Family "good" is one point more accurate than "poor" at each latency 1 ... n."""
    rows = []
    for i in range(n):
        for family, top1 in (("good", 0.80), ("poor", 0.70)):
            rows.append((f"{family}{i}", family, float(i + 1), top1 + i / 100))
    return pd.DataFrame(rows, columns=["network_id", "family", "latency_ms", "top1"])


def test_a_family_that_dominates_has_the_whole_front_and_no_doubt_about_it():
    table = family_table(two_families()).set_index("family")
    assert table.loc["good", ["share", "on_front", "finished"]].tolist() == [1.0, 8, 8]
    assert table.loc["poor", ["share", "share_low"]].tolist() == [0.0, 0.0]
    assert table.loc["good", "share_low"] > 0.5


def test_shares_of_the_front_sum_to_one_and_lie_in_their_intervals(study):
    table = family_table(study)
    assert table["share"].sum() == pytest.approx(1)
    assert table["on_front"].sum() == len(front(study))
    assert table["finished"].sum() == table["networks"].sum() == len(study)
    assert (table["share_low"] <= table["share"]).all()
    assert (table["share"] <= table["share_high"]).all()


def test_hypervolume_is_the_share_of_the_box_the_family_dominates():
    rows = pd.DataFrame({"family": ["a", "a", "b"], "latency_ms": [1.0, 2.0, 5.0], "top1": [0.5, 0.9, 0.4]}).assign(
        network_id=list("xyz")
    )
    table = family_table(rows).set_index("family")
    box = study_box(rows)
    assert (box.cost, box.value, box.ideal_cost, box.ideal_value) == (5.0, 0.4, 1.0, 0.9)
    assert table.loc["a", "hypervolume"] == pytest.approx((1 * 0.1 + 3 * 0.5) / (4 * 0.5))
    assert table.loc["b", "hypervolume"] == 0


def test_an_interval_of_hypervolume_ends_at_the_value(study):
    table = family_table(study)
    table = table[table["finished"] >= 5]
    assert (table["hypervolume_high"] == table["hypervolume"]).all()
    assert (table["hypervolume_low"] < table["hypervolume"]).any()


def test_a_family_with_few_networks_gets_no_interval():
    rows = two_families()
    rows = rows[(rows["family"] == "good") | (rows["latency_ms"] <= 4)]
    table = family_table(rows).set_index("family")
    assert math.isnan(table.loc["poor", "hypervolume_low"])
    assert not math.isnan(table.loc["good", "hypervolume_low"])


def test_the_intervals_repeat_for_a_seed(study):
    pd.testing.assert_frame_equal(family_table(study, seed=4), family_table(study, seed=4))


def test_unfinished_networks_count_as_networks_and_not_as_finished(study):
    study.loc[:9, "top1"] = None
    table = family_table(study)
    assert (table["networks"].sum(), table["finished"].sum()) == (200, 190)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_tiny_studies_have_a_table_without_intervals(make_study, n):
    table = family_table(make_study(n))
    assert table["finished"].sum() == n
    assert table["share_low"].isna().all()


def test_the_best_within_a_budget_is_given_for_each_family():
    best = best_at_budgets(two_families(), [0.5, 3.0]).set_index(["family", "budget"])
    assert best.loc[("good", 3.0), ["network_id", "candidates"]].tolist() == ["good2", 3]
    assert best.loc[("good", 3.0), "value"] == pytest.approx(0.82)
    assert math.isnan(best.loc[("good", 3.0), "value_low"])
    assert best.loc[("poor", 0.5), "candidates"] == 0
    assert math.isnan(best.loc[("poor", 0.5), "value"])


def test_the_best_of_a_resample_is_bounded_by_the_best_found():
    best = best_at_budgets(two_families(), [8.0]).set_index("family")
    assert best.loc["good", "value_low"] < best.loc["good", "value_high"] == best.loc["good", "value"]


def test_a_clear_lead_is_called_with_its_margin():
    found = lead(two_families(20), 20.0)
    assert (found.family, found.runner_up, found.network_id) == ("good", "poor", "good19")
    assert found.margin == pytest.approx(0.10)
    assert 0 < found.margin_low <= found.margin <= found.margin_high
    assert found.leads > 0.99


def test_a_tie_is_no_lead():
    rows = two_families(20)
    rows["top1"] = [0.7 + 0.01 * (i // 2) for i in range(40)]
    found = lead(rows, 20.0)
    assert found.margin == 0
    assert found.margin_low < 0 < found.margin_high
    assert found.leads < 0.6


def test_no_lead_is_called_below_five_networks_a_family():
    assert lead(two_families(4), 100.0) is None
    assert lead(two_families(8), 4.5) is None


def test_default_budgets_are_round_quartiles(study):
    budgets = default_budgets(study)
    assert budgets == tuple(float(f"{q:.2g}") for q in study["latency_ms"].quantile([0.25, 0.5, 0.75]))
    assert default_budgets(study.head(0)) == ()


def test_families_on_two_targets_are_not_compared(study, make_study):
    with pytest.raises(UsageError, match="mix targets"):
        family_table(pd.concat([study, make_study(target="host")]))
