from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from blockfront.analysis import wilson95
from blockfront.analysis.statistics import percentile95, present, resamples
from blockfront.errors import UsageError


@given(st.integers(1, 20_000), st.floats(0, 1))
def test_wilsons_interval_equals_scipys(n, share):
    hits = round(share * n)
    expected = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert wilson95(hits / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilsons_interval_is_missing_without_test_images():
    assert all(math.isnan(end) for end in (*wilson95(0.9, math.nan), *wilson95(math.nan, 100), *wilson95(0.9, 0)))


def test_an_accuracy_in_percent_is_refused():
    with pytest.raises(UsageError, match="not a percentage"):
        wilson95(93.0, 100)


def test_resamples_repeat_for_a_seed_and_differ_between_seeds():
    assert (resamples(50, 20, seed=1) == resamples(50, 20, seed=1)).all()
    assert (resamples(50, 20, seed=1) != resamples(50, 20, seed=2)).any()


def test_presence_says_which_networks_a_resample_holds():
    for mask, rows in zip(present(30, 40, seed=3), resamples(30, 40, seed=3), strict=True):
        assert set(np.flatnonzero(mask)) == set(rows)


def test_a_resample_holds_about_63_percent_of_the_networks():
    assert present(1000, 200, seed=0).mean() == pytest.approx(1 - math.exp(-1), abs=0.005)


def test_percentiles_leave_nan_out():
    values = np.array([*range(1, 1002), math.nan], dtype=float)
    assert percentile95(values) == pytest.approx((26.0, 976.0))
    assert all(math.isnan(end) for end in percentile95(np.array([math.nan])))
