"""The search, on objectives whose best configurations are known."""

from __future__ import annotations

from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockfront.anchors import Front, Node, Removed, Rules, Slots, search_anchors
from blockfront.errors import UsageError

SLOTS = Slots((2, 3, 2))
PRICES = (8.0, 8.0, 4.0, 4.0, 4.0, 1.0, 1.0)


def price(removed: Removed) -> float:
    return sum(cost for slot, cost in enumerate(PRICES) if slot not in removed)


class Additive:
    """A value that falls by what each removed slot is worth; counts what it is asked."""

    def __init__(self, worth: tuple[float, ...]) -> None:
        self.worth = worth
        self.asked: list[Removed] = []

    def __call__(self, removed: Removed, parent: Removed) -> tuple[float, ...]:
        assert parent <= removed
        self.asked.append(removed)
        return (0.6 - sum(self.worth[slot] for slot in removed),)


def everything() -> list[Removed]:
    numbers = range(len(SLOTS))
    return [frozenset(one) for one in chain.from_iterable(combinations(numbers, size) for size in range(len(SLOTS)))]


def exhaustive(measure: Additive, least: float) -> set[tuple[float, float]]:
    """Value and cost of what nothing dominates, of all subsets."""
    nodes = [(round(measure(one, frozenset())[0], 3), price(one)) for one in everything()]
    nodes = [node for node in nodes if node[0] >= least]
    return {
        node
        for node in nodes
        if not any(other != node and other[0] >= node[0] and other[1] <= node[1] for other in nodes)
    }


WORTHS = st.tuples(*[st.integers(1, 60)] * 7).map(lambda numbers: tuple(number / 1000 for number in numbers))


@given(WORTHS)
def test_front_nodes_are_reproducible_reachable_and_none_dominates_another(worth: tuple[float, ...]) -> None:
    measure = Additive(worth)
    found = search_anchors(SLOTS, measure, price, Rules(strict=True))
    assert len(measure.asked) == len(set(measure.asked)) == len(found.evaluated)
    for node in found.front:
        assert node.metrics[0] == round(measure(node.removed, frozenset())[0], 3)
        assert node.cost == price(node.removed)
        assert not any(
            other is not node and other.value >= node.value and other.cost <= node.cost for other in found.front
        )
        assert not node.removed or any(node.removed - {slot} in found.evaluated for slot in node.removed)
    assert [node.cost for node in found.front] == sorted((node.cost for node in found.front), reverse=True)
    assert found.front[0].removed == frozenset()


@given(st.permutations(range(7)))
def test_where_dear_slots_are_worth_least_the_front_is_that_of_all_subsets(order: list[int]) -> None:
    worth = tuple(0.001 * 2 ** ((rank + order[0]) % 5) / cost for rank, cost in enumerate(PRICES))
    measure = Additive(worth)
    found = search_anchors(SLOTS, measure, price, Rules(shortcuts=False, digits=None, strict=True))
    points = {(node.value, node.cost) for node in found.front}
    best = {(value, cost) for value, cost in exhaustive(measure, 0.2)}
    reached = {(round(value, 3), cost) for value, cost in points}
    assert len(reached & best) >= len(best) * 0.6
    assert min(cost for _, cost in reached) == min(cost for _, cost in best)


def test_a_slot_that_harms_goes_first_and_its_siblings_are_not_looked_at() -> None:
    measure = Additive((0.01, -0.02, 0.01, 0.01, 0.01, 0.01, 0.01))
    found = search_anchors(SLOTS, measure, price, Rules(least=0.58))
    assert measure.asked[:3] == [frozenset(), frozenset({0}), frozenset({1})]
    assert found.front[0].removed == frozenset({1})
    assert frozenset({2}) not in found.evaluated
    without = search_anchors(SLOTS, measure, price, Rules(least=0.58, shortcuts=False))
    assert frozenset({2}) in without.evaluated


def test_a_slot_without_a_part_in_anything_goes_for_free() -> None:
    found = search_anchors(SLOTS, Additive((0.1, 0.1, 0.0, 0.1, 0.1, 0.1, 0.1)), price, Rules(least=0.59))
    assert [node.removed for node in found.front] == [frozenset({2})]


def test_what_is_below_the_least_value_is_nowhere_on_the_front() -> None:
    found = search_anchors(SLOTS, Additive((0.2,) * 7), price, Rules(least=0.35))
    assert all(node.value >= 0.35 for node in found.front)
    assert max(len(node.removed) for node in found.front) == 1


@pytest.mark.parametrize("newest_first", [True, False])
def test_the_same_search_finds_the_same(newest_first: bool) -> None:
    rules = Rules(newest_first=newest_first)
    first, second = (Additive((0.01, 0.02, 0.005, 0.03, 0.01, 0.002, 0.004)) for _ in range(2))
    assert search_anchors(SLOTS, first, price, rules) == search_anchors(SLOTS, second, price, rules)
    assert first.asked == second.asked


def test_metrics_are_rounded_before_they_are_compared() -> None:
    measure = Additive((0.0004, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1))
    assert search_anchors(SLOTS, measure, price, Rules(least=0.6)).front[0].removed == frozenset({0})
    assert len(search_anchors(SLOTS, measure, price, Rules(least=0.59, digits=None)).front) == 2


def test_shared_layers_lose_a_place_of_all_levels_or_a_level() -> None:
    slots = Slots((2, 2))
    found = search_anchors(slots, Additive((0.01,) * 4), lambda removed: 4.0 - len(removed), Rules(step="shared"))
    assert {node.removed for node in found.front} <= {
        frozenset(one) for one in ((), (0, 2), (1, 3), (0, 1), (2, 3), (0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3))
    }
    assert all(len(node.removed) != 1 for node in found.front)


def test_level_by_level_none_has_more_slots_than_it_may() -> None:
    measure = Additive((0.01, 0.02, 0.005, 0.03, 0.01, 0.002, 0.004))
    found = search_anchors(SLOTS, measure, price, Rules(most=1))
    assert found.front
    for node in found.front:
        assert all(len(own) <= 1 for own in SLOTS.kept(node.removed))
    first = [asked for asked in measure.asked if asked & set(SLOTS.levels[1])]
    assert all(len(set(SLOTS.levels[0]) - asked) <= 1 for asked in first)


def test_levels_that_cannot_be_brought_down_leave_an_empty_front() -> None:
    assert search_anchors(SLOTS, Additive((0.3,) * 7), price, Rules(most=1, least=0.5)).front == ()


def node(value: float, cost: float, *others: float) -> Node:
    return Node(frozenset({int(cost)}), (value, *others), cost)


def test_the_front_by_hand() -> None:
    front = Front()
    assert front.add(node(0.5, 10, 0.7))
    assert not front.add(node(0.5, 10, 0.7))
    assert front.add(node(0.5, 9, 0.7))
    assert [one.cost for one in front] == [9]
    assert front.add(node(0.5, 8, 0.6))
    assert [one.cost for one in front] == [9, 8]
    assert not front.add(node(0.4, 8, 0.6))
    assert not front.add(node(0.5, 12, 0.9))
    assert front.add(node(0.6, 8, 0.6))
    assert [one.cost for one in front] == [8]
    strict = Front(strict=True)
    for one in (node(0.5, 9, 0.7), node(0.5, 8, 0.6)):
        assert strict.add(one)
    assert [one.cost for one in strict] == [8]


def test_rules_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(UsageError, match="brought down slot by slot"):
        Rules(most=4, step="shared")
