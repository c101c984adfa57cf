"""Intervals of predicted latencies: how often they hold the truth, and what makes them wider."""

import math

import numpy as np
import pytest

from blockfront.targets import get_target
from blockfront.targets.latency.prediction import core_model
from blockfront.targets.latency.prediction.core_model import Error
from blockfront.targets.latency.prediction.core_models import core_models
from blockfront.targets.latency.prediction.interval import LAUNCH_RANGE, OWN_CODE, conformal, interval

ERROR = Error(
    median=0.1,
    p90=0.2,
    n=100,
    data="times",
    spread=0.3,
    within_tenth=0.5,
    code="ncnn",
    fastest_ms=10.0,
    slowest_ms=100.0,
    scaling_spread=0.4,
)


def width(found):
    return math.log(found.high_ms / found.low_ms) / 2


def test_nine_of_ten_new_errors_are_within_the_conformal_quantile_however_few_there_are():
    draw = np.random.default_rng(0)
    for n in (9, 19, 50):
        inside = [abs(draw.normal()) <= conformal(np.exp(draw.normal(size=n))) for _ in range(4000)]
        assert np.mean(inside) == pytest.approx(0.9, abs=0.03 if n > 9 else 0.05)
        assert np.mean(inside) > 0.88


def test_of_errors_that_are_alike_in_groups_nine_of_ten_new_groups_errors_are_within():
    draw = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 20)
    inside = []
    for _ in range(300):
        boards = draw.normal(size=31)
        errors = np.repeat(boards[:30], 20) + 0.3 * draw.normal(size=600)
        new = boards[30] + 0.3 * draw.normal(size=20)
        inside.append(np.mean(np.abs(new) <= conformal(np.exp(errors), groups)))
    assert 0.87 < np.mean(inside) < 0.95


def test_too_few_errors_give_the_largest_of_them_and_none_gives_none():
    assert conformal([1.5, 0.9]) == pytest.approx(math.log(1.5))
    assert conformal([]) is None


def test_a_latency_of_the_judged_kind_has_the_judged_spread():
    found = interval(50.0, 0.0, ERROR, 1, own_code=False)
    assert found.outside == ()
    assert (found.low_ms, found.high_ms) == pytest.approx((50 * math.exp(-0.3), 50 * math.exp(0.3)))


@pytest.mark.parametrize(
    ("ms", "threads", "own_code", "said", "more"),
    [
        (50.0, 1, True, "its code is not ncnn's", OWN_CODE),
        (50.0, 2, False, "judged with 1 thread, not 2", 0.4),
        (9.0, 1, False, "judged from 10 ms", 0.3),
        (101.0, 1, False, "judged to 100 ms", 0.3),
    ],
)
def test_whatever_was_not_judged_is_said_and_widens(ms, threads, own_code, said, more):
    found = interval(ms, 0.0, ERROR, threads, own_code)
    assert found.outside == (said,)
    assert width(found) == pytest.approx(math.hypot(0.3, more))


def test_what_regions_cost_may_be_any_of_its_range():
    found, without = (interval(50.0, launch, ERROR, 1, own_code=False) for launch in (20.0, 0.0))
    least, most = LAUNCH_RANGE
    assert found.low_ms / without.low_ms == pytest.approx((30 + 20 * least) / 50)
    assert found.high_ms / without.high_ms == pytest.approx((30 + 20 * most) / 50)


def test_every_core_has_an_error_for_any_threads_and_one_of_another_board_is_not_taken_for_it():
    for model in (*core_models().values(), *core_models(int8=True).values()):
        assert {model.error("a board", threads) is not None for threads in range(1, 9)} == {True}
    a72 = core_model(get_target("rk3399"))
    here, elsewhere = a72.error("rk3399", 1), a72.error("rpi4", 1)
    assert (here.board_known, elsewhere.board_known) == (True, False)
    assert here.spread < elsewhere.spread
    assert a72.error("rpi4", 3).threads <= 3
