"""Which networks a random study holds."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from blockfront.design_space import DesignSpace, Stage, choice, integer
from blockfront.errors import UsageError
from blockfront.sweep.drawing import draw_missing, draw_networks


def _space(high: int) -> DesignSpace:
    return DesignSpace(
        "widths",
        resolution=32,
        num_classes=10,
        stem=8,
        family="ds",
        stages=[
            Stage(depth=1, width=integer(8, high, step=8), stride=2),
            Stage(depth=1, width=integer(8, high, step=8), stride=2),
        ],
    )


def _ids(draws) -> list[str]:
    return [drawn.network.id for drawn in draws]


def test_draws_are_distinct_and_those_of_the_space():
    space = _space(64)
    draws = list(islice(draw_networks(space, 3, {}), 30))
    assert len(set(_ids(draws))) == 30
    for drawn in draws:
        assert _space(64).sample(3, drawn.index).id == drawn.network.id


def test_a_study_that_goes_on_draws_what_it_would_have_drawn():
    whole = list(islice(draw_networks(_space(64), 0, {}), 20))
    for kept in (1, 7, 19):
        taken = {drawn.network.id: drawn.index for drawn in whole[:kept]}
        assert _ids(islice(draw_networks(_space(64), 0, taken), 20 - kept)) == _ids(whole[kept:])


def test_pairs_say_which_skeleton_they_have_and_go_on_in_the_middle_of_one():
    space = replace(_space(64), family=choice("ds", "ir", "ghost"))
    whole = list(islice(draw_networks(space, 0, {}, paired=True), 12))
    assert [drawn.skeleton for drawn in whole] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    for kept in (3, 4, 8):
        taken = {drawn.network.id: drawn.index for drawn in whole[:kept]}
        rest = draw_missing(replace(space), 0, 12, taken, paired=True)
        assert [(one.network.id, one.skeleton) for one in rest] == [(o.network.id, o.skeleton) for o in whole[kept:]]


def test_a_space_that_is_used_up_says_how_many_it_has():
    with pytest.raises(UsageError, match="4"):
        list(islice(draw_networks(_space(16), 0, {}), 5))


def test_the_values_of_a_draw_make_its_network():
    for drawn in islice(draw_networks(_space(64), 0, {}), 10):
        assert _space(64).network(drawn.values).id == drawn.network.id
