from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from blockfront.analysis import compare_studies, middle_tercile, rank_correlations, spearman, spearman_interval
from blockfront.errors import UsageError


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=30))
def test_spearman_equals_scipys_with_ties(pairs):
    a, b = np.array(pairs).T
    if len(set(a)) < 2 or len(set(b)) < 2:
        assert math.isnan(spearman(a, b))
    else:
        assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)


def test_the_interval_holds_the_true_correlation_about_as_often_as_it_says():
    rho = 0.7
    truth = 6 / math.pi * math.asin(rho / 2)  # Spearman's rho of a bivariate normal
    random = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        a, b = random.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=60).T
        low, high = spearman_interval(a, b, draws=300, seed=seed)
        hits += low <= truth <= high
    assert 0.88 <= hits / 200 <= 1.0


def test_no_interval_below_five_pairs():
    assert all(math.isnan(end) for end in spearman_interval([1, 2, 3, 4], [1, 2, 3, 4]))


def test_latency_proportional_to_macs_has_correlation_one():
    macs = np.arange(1, 31) * 1e6
    rows = pd.DataFrame({"macs": macs, "latency_ms": macs * 1e-6, "params": macs[::-1], "activations": 1e5})
    table = rank_correlations(rows).set_index(["proxy", "band"])
    assert table.loc[("macs", "all"), ["rho", "rho_low", "rho_high"]].tolist() == pytest.approx([1, 1, 1])
    assert table.loc[("params", "all"), "rho"] == pytest.approx(-1)
    assert math.isnan(table.loc[("activations", "all"), "rho"])


def test_the_middle_band_holds_the_middle_third(study):
    table = rank_correlations(study).set_index(["proxy", "band"])
    row = table.loc[("macs", "middle")]
    inside = study[study["macs"].between(row["macs_low"], row["macs_high"])]
    assert row["n"] == len(inside)
    assert 64 <= row["n"] <= 68
    assert row["rho"] == pytest.approx(spearmanr(inside["macs"], inside["latency_ms"]).statistic)
    assert row["rho"] < table.loc[("macs", "all"), "rho"]


def test_a_given_band_wins_and_few_networks_have_no_correlation(study):
    low, high = study["macs"].nsmallest(4).iloc[[0, 3]]
    row = rank_correlations(study, band=(low, high)).query("proxy == 'macs' and band == 'middle'").iloc[0]
    assert row["n"] == 4
    assert math.isnan(row["rho"])


def test_the_tercile_of_nothing_is_missing():
    assert all(math.isnan(end) for end in middle_tercile([]))


def test_correlations_of_an_empty_study_are_missing(study):
    table = rank_correlations(study.head(0))
    assert (table["n"] == 0).all()
    assert table["rho"].isna().all()


def test_two_studies_are_compared_over_the_networks_they_share(make_study):
    a, b = make_study(40), make_study(60, target="host", source="measured")
    row = compare_studies([a, b]).iloc[0]
    merged = a.merge(b, on="network_id")
    assert row["shared"] == len(merged) == 40
    assert row["rho"] == pytest.approx(spearmanr(merged["latency_ms_x"], merged["latency_ms_y"]).statistic)
    assert (row["a"], row["b_source"]) == ("mobile-rk3399", "measured")
    assert row["both_fronts"] <= min(row["a_front"], row["b_front"])


def test_studies_that_share_no_network_have_no_correlation(make_study):
    row = compare_studies([make_study(10, seed=1), make_study(10, seed=2, target="host")]).iloc[0]
    assert row["shared"] == 0
    assert math.isnan(row["rho"])


def test_mixed_sources_are_not_correlated(make_study):
    mixed = pd.concat([make_study(10), make_study(10, seed=1, source="measured")])
    with pytest.raises(UsageError, match="mix latency sources"):
        rank_correlations(mixed)
