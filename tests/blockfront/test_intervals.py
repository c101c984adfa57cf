"""Intervals of what was seen on test images, against what is known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from blockfront.errors import UsageError
from blockfront.results import bootstrap95, interval95, mean_over_images, wilson95


@given(st.integers(1, 20_000), st.floats(0, 1))
def test_wilsons_interval_equals_scipys(n: int, share: float) -> None:
    hits = round(share * n)
    expected = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert wilson95(hits / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilsons_interval_is_missing_without_test_images() -> None:
    assert all(math.isnan(end) for end in (*wilson95(0.9, math.nan), *wilson95(math.nan, 100), *wilson95(0.9, 0)))


def test_an_accuracy_in_percent_is_refused() -> None:
    with pytest.raises(UsageError, match="not a percentage"):
        wilson95(93.0, 100)


@pytest.mark.parametrize(("hits", "images"), [(300, 400), (30, 40), (399, 400)])
def test_the_interval_of_a_share_has_the_ends_of_the_binomial_distribution(hits: int, images: int) -> None:
    """A share of images drawn with replacement is Binomial(n, p) / n exactly."""
    right = np.arange(images) < hits
    low, high = bootstrap95(lambda rows: right[rows].mean(), images, draws=20_000)
    ends = binom.ppf((0.025, 0.975), images, hits / images) / images
    assert (low, high) == pytest.approx(tuple(ends), abs=1.01 / images)


def test_the_interval_of_a_mean_is_as_wide_as_the_central_limit_theorem_says() -> None:
    values = np.random.default_rng(1).gamma(2.0, 3.0, size=2000)
    score = mean_over_images(values)
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert score.value == values.mean()
    assert score.low == pytest.approx(score.value - half, abs=0.1 * half)
    assert score.high == pytest.approx(score.value + half, abs=0.1 * half)


def test_a_metric_of_all_images_together_is_computed_anew_for_each_draw() -> None:
    """The largest of n values stays in a draw with probability 1 - (1 - 1/n)^n, about 63 %."""
    values = np.arange(50.0)
    found: list[float] = []

    def largest(rows: np.ndarray) -> float:
        found.append(values[rows].max())
        return found[-1]

    assert bootstrap95(largest, 50, draws=4000)[1] == 49.0
    assert np.mean(np.array(found) == 49.0) == pytest.approx(1 - (1 - 1 / 50) ** 50, abs=0.03)


def test_the_same_images_have_the_same_interval_every_time() -> None:
    values = np.random.default_rng(0).normal(size=30)
    assert mean_over_images(values) == mean_over_images(values)


def test_one_image_has_no_interval_and_draws_without_a_value_do_not_count() -> None:
    assert all(math.isnan(end) for end in bootstrap95(lambda rows: 1.0, 1))
    assert bootstrap95(lambda rows: 2.0 if 0 in rows else math.nan, 3) == (2.0, 2.0)
    assert all(math.isnan(end) for end in bootstrap95(lambda rows: math.nan, 3))


def test_percentiles_leave_nan_out() -> None:
    values = np.array([*range(1, 1002), math.nan], dtype=float)
    assert interval95(values) == pytest.approx((26.0, 976.0))
    assert all(math.isnan(end) for end in interval95(np.array([math.nan])))
