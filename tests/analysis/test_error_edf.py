from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockfront.analysis import complexity_weights, edf
from blockfront.errors import UsageError


@given(st.lists(st.integers(0, 8), min_size=1, max_size=30), st.integers(-1, 9))
def test_the_distribution_counts_errors_below_each_error(errors, at):
    steps, heights = edf(errors)
    assert [0.0, *heights][int(np.sum(steps < at))] == pytest.approx(np.mean(np.array(errors) < at))
    assert heights[-1] == pytest.approx(1)


def test_weights_follow_the_papers_formula():
    weights = complexity_weights({"a": [1, 2, 3, 10], "b": [1, 11, 12, 13]}, bins=2)
    # The pooled median 6.5 parts the bins: family a has 3 and 1 networks in them, b has 1 and 3.
    assert weights["a"].tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    assert weights["b"].tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6])


def test_a_bin_that_one_family_lacks_counts_for_none():
    weights = complexity_weights({"a": [1, 2, 3, 4], "b": [3, 4, 5, 6]}, bins=4)
    assert sum(weights["a"]) == pytest.approx(1)
    assert weights["a"][0] == weights["b"][-1] == 0


def test_equal_complexity_removes_the_advantage_of_larger_networks():
    latency = {
        "many_small": np.r_[np.linspace(1, 2, 90), np.linspace(9, 10, 10)],
        "many_large": np.r_[np.linspace(1, 2, 10), np.linspace(9, 10, 90)],
    }
    error = {name: 1 / values for name, values in latency.items()}
    weights = complexity_weights(latency, bins=2)
    plain = [np.mean(values) for values in error.values()]
    fair = [np.average(values, weights=weights[name]) for name, values in error.items()]
    assert plain[0] > 2 * plain[1]
    assert fair[0] == pytest.approx(fair[1], rel=0.02)


def test_nothing_has_an_empty_distribution():
    assert [len(part) for part in edf([])] == [0, 0]
    assert complexity_weights({"a": []})["a"].tolist() == []


def test_no_bins_are_refused():
    with pytest.raises(UsageError, match="at least one bin"):
        complexity_weights({"a": [1.0]}, bins=0)
