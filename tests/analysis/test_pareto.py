from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockfront.analysis import best_within, front, front_mask, hypervolume, with_fallbacks
from blockfront.analysis.pareto import front_masks
from blockfront.errors import UsageError

# Few distinct values, so that ties and duplicates are common.
COORDINATES = st.one_of(st.integers(0, 6).map(float), st.just(math.nan), st.just(math.inf))
POINTS = st.lists(st.tuples(COORDINATES, COORDINATES), max_size=25)


def by_brute_force(cost: np.ndarray, value: np.ndarray) -> list[bool]:
    def dominates(i: int, j: int) -> bool:
        as_good = cost[i] <= cost[j] and value[i] >= value[j]
        return as_good and (cost[i] < cost[j] or value[i] > value[j])

    finite = [i for i in range(len(cost)) if math.isfinite(cost[i]) and math.isfinite(value[i])]
    return [j in finite and not any(dominates(i, j) for i in finite) for j in range(len(cost))]


def columns(points: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    array = np.array(points, dtype=float).reshape(-1, 2)
    return array[:, 0], array[:, 1]


@given(POINTS)
def test_the_front_equals_the_definition_by_brute_force(points):
    cost, value = columns(points)
    assert front_mask(cost, value).tolist() == by_brute_force(cost, value)


@given(POINTS, st.randoms(use_true_random=False))
def test_the_front_does_not_depend_on_the_order_of_points(points, random):
    order = list(range(len(points)))
    random.shuffle(order)
    cost, value = columns(points)
    assert front_mask(cost[order], value[order]).tolist() == front_mask(cost, value)[order].tolist()


@given(POINTS)
def test_the_front_keeps_under_increasing_changes_of_scale(points):
    cost, value = columns(points)
    assert front_mask(np.exp(cost), 3 * value - 7).tolist() == front_mask(cost, value).tolist()


@given(POINTS)
def test_the_front_of_a_front_is_itself(points):
    cost, value = columns(points)
    mask = front_mask(cost, value)
    assert front_mask(cost[mask], value[mask]).all()


@given(POINTS, st.integers(0, 2**32 - 1))
def test_fronts_of_many_subsets_equal_the_front_of_each(points, seed):
    cost, value = columns(points)
    present = np.random.default_rng(seed).random((4, len(points))) < 0.6
    masks = front_masks(cost, value, present)
    for subset, mask in zip(present, masks, strict=True):
        rows = np.flatnonzero(subset)
        assert np.flatnonzero(mask).tolist() == rows[front_mask(cost[rows], value[rows])].tolist()


def test_a_front_keeps_exact_duplicates_and_drops_ties_that_are_worse_in_the_other():
    cost, value = [1, 1, 1, 2, 2], [0.5, 0.5, 0.4, 0.5, 0.6]
    assert front_mask(cost, value).tolist() == [True, True, False, False, True]


def test_a_point_with_nan_or_infinity_is_never_on_the_front_and_dominates_nothing():
    cost, value = [math.nan, 1, -math.inf, 2, 3], [0.9, math.nan, 0.9, math.inf, 0.1]
    assert front_mask(cost, value).tolist() == [False, False, False, False, True]


def test_the_front_of_nothing_is_empty():
    assert front_mask([], []).tolist() == []


def test_a_front_is_a_rising_line_ordered_by_latency(study):
    best = front(study)
    assert best["latency_ms"].is_monotonic_increasing
    assert (best["top1"].diff().dropna() > 0).all()
    assert 1 < len(best) < len(study)


def test_failed_and_unfinished_networks_are_on_no_front(study):
    study["state"] = study["state"].astype(object)
    winners = front(study)["network_id"]
    study.loc[study["network_id"] == winners.iloc[0], "state"] = "failed"
    study.loc[study["network_id"] == winners.iloc[-1], "top1"] = None
    assert not set(front(study)["network_id"]) & {winners.iloc[0], winners.iloc[-1]}


def test_each_metric_counts_in_its_own_direction():
    rows = pd.DataFrame({"network_id": list("abc"), "macs": [3, 1, 2], "params": [1, 3, 3]})
    assert front(rows, "macs", "params")["network_id"].tolist() == ["b", "a"]


def test_an_unknown_metric_is_refused_with_the_nearest_name(study):
    with pytest.raises(UsageError, match="did you mean latency_ms"):
        front(study.assign(latency=1.0), x="latency")


@pytest.mark.parametrize("column", ["target", "latency_source"])
def test_latencies_of_two_targets_or_sources_are_never_merged(study, column):
    study[column] = study[column].astype(object)
    study.loc[0, column] = "simulated"
    with pytest.raises(UsageError, match=r"mix .* take one first"):
        front(study)


def test_hypervolume_of_one_point_is_its_rectangle():
    assert hypervolume([(2.0, 0.9)], (10.0, 0.5)) == pytest.approx(8 * 0.4)


def test_hypervolume_of_a_staircase_is_the_sum_of_its_steps():
    points = [(1, 0.6), (2, 0.7), (4, 0.9), (3, 0.65)]
    assert hypervolume(points, (5, 0.5)) == pytest.approx(1 * 0.1 + 2 * 0.2 + 1 * 0.4)


def test_points_beyond_the_reference_and_nan_add_no_hypervolume():
    assert hypervolume([(11, 0.9), (1, 0.4), (math.nan, 0.9)], (10, 0.5)) == 0
    assert hypervolume([], (10, 0.5)) == 0


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), min_size=1, max_size=12))
def test_hypervolume_equals_the_area_under_the_step_line(points):
    edges = sorted({cost for cost, _ in points} | {10.0})
    area = 0.0
    for left, right in itertools.pairwise(edges):
        area += (right - left) * max([value for cost, value in points if cost <= left], default=0.0)
    assert hypervolume(points, (10.0, 0.0)) == pytest.approx(area, abs=1e-9)


def test_the_best_within_a_budget_is_the_most_accurate_and_of_equals_the_fastest():
    rows = pd.DataFrame({"network_id": list("abcd"), "latency_ms": [1.0, 3.0, 2.0, 9.0], "top1": [0.5, 0.8, 0.8, 0.9]})
    assert best_within(rows, 3.0)["network_id"] == "c"
    assert best_within(rows, 1.5)["network_id"] == "a"
    assert best_within(rows, 0.5) is None


def test_networks_with_operators_on_the_processor_count_on_no_front_unless_they_are_let():
    """Their latency is not whole."""
    rows = pd.DataFrame({"latency_ms": [1.0, 2.0], "top1": [0.9, 0.8], "fallbacks": ["2 Softmax", ""]})
    assert list(front(rows)["latency_ms"]) == [2.0]
    assert list(front(with_fallbacks(rows))["latency_ms"]) == [1.0]
