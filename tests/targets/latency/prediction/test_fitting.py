"""The fit against coefficients that are known because the times were made with them."""

import msgspec
import numpy as np
import pytest

from blockfront.targets import get_target
from blockfront.targets.latency.prediction.core_model import UNITS, Coefficients, work_of
from blockfront.targets.latency.prediction.fitting import Observation, fit, leave_one_out
from blockfront.targets.latency.prediction.guides import GUIDES
from blockfront.targets.latency.profiler import Counts, Profile, Region

PRIOR = GUIDES["cortex-a72"].prior
TRUE = Coefficients(multiply_add=0.8, other=0.9, word=1.4, l1_line=9.0, memory_line_ns=90.0, transfer=1.6)
BOARD = get_target("rk3399")


def observations(seed: int, n: int, noise: float = 0.0) -> list[Observation]:
    draw = np.random.default_rng(seed)
    found = []
    for i in range(n):
        scale = 10 ** draw.uniform(5, 7)
        tasks = tuple(
            Counts(
                multiply_add=int(scale * draw.uniform(0.2, 2)),
                vector=int(scale * draw.uniform(0, 1)),
                load=int(scale * draw.uniform(0, 1)),
                load_bytes=int(16 * scale * draw.uniform(0, 1)),
                l1_misses=int(scale * 0.04 * draw.uniform(0.5, 1)),
                l2_misses=(lines := int(scale * 0.02 * draw.uniform(0, 1))),
                l2_streamed=int(lines * draw.uniform(0, 1)),
            )
            for _ in range(3)
        )
        work = work_of(Profile((Region(tasks), Region(tasks[:1]))), BOARD, TRUE)
        ms = work.milliseconds(TRUE.array()) * np.exp(draw.normal(0, noise))
        found.append(Observation(work, float(ms), f"network {i // 2}", f"board {i % 2}"))
    return found


def test_the_fit_recovers_the_coefficients_that_made_the_times() -> None:
    found = fit(observations(0, 40), PRIOR, weight=1e-3)
    for name in (
        "multiply_add",
        "other",
        "word",
        "l1_line",
        "memory_line_ns",
        "transfer",
    ):
        assert getattr(found, name) == pytest.approx(getattr(TRUE, name), rel=0.05), name


def test_one_wild_time_changes_little() -> None:
    rows = observations(1, 40, noise=0.01)
    rows[3] = msgspec.structs.replace(rows[3], milliseconds=5 * rows[3].milliseconds)
    found = fit(rows, PRIOR, weight=1e-3)
    predicted = np.array([one.work.milliseconds(found.array()) / one.milliseconds for one in rows])
    assert np.median(np.abs(predicted - 1)) < 0.03


def test_no_times_leave_the_prior_and_what_is_absent_stays_absent() -> None:
    assert fit([], PRIOR) == PRIOR
    found = fit(observations(2, 10), PRIOR)
    assert (found.dataflow, found.l2_line) == (0, 0)
    assert all(getattr(found, name) > 0 for name in UNITS if getattr(PRIOR, name) > 0)


@pytest.mark.parametrize("group", ["network", "board"])
def test_what_is_left_out_does_not_reach_its_own_prediction(group: str) -> None:
    rows = observations(3, 8, noise=0.05)
    name = getattr(rows[0], group)
    wild = [
        msgspec.structs.replace(one, milliseconds=100 * one.milliseconds) if getattr(one, group) == name else one
        for one in rows
    ]

    def predicted(given: list[Observation]) -> list[float]:
        found = leave_one_out(given, lambda one: getattr(one, group), PRIOR)
        return [ms for one, ms in found if getattr(one, group) == name]

    # Only where the search begins has seen them.
    assert predicted(wild) == pytest.approx(predicted(rows), rel=0.01)


def test_the_slopes_that_the_fit_uses_are_those_of_the_times() -> None:
    work = observations(4, 1)[0].work
    from blockfront.targets.latency.prediction.fitting import _Stack

    stack = _Stack([Observation(work, 1.0, "n", "b")])
    middle = TRUE.array()
    _, slopes = stack.predict(middle)
    for i, name in enumerate(UNITS):
        step = 1e-4 * max(middle[i], 1)
        up, down = middle.copy(), middle.copy()
        up[i], down[i] = middle[i] + step, middle[i] - step
        numeric = (work.milliseconds(up) - work.milliseconds(down)) / (2 * step)
        assert slopes[0, i] == pytest.approx(numeric, rel=1e-3, abs=1e-9), name
