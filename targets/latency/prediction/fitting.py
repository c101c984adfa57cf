"""Coefficients from times: bounded least squares on relative errors, held near a prior where the data say little."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

import msgspec
import numpy as np
from scipy.optimize import least_squares

from blockfront.targets.latency.prediction.core_model import UNITS, Coefficients, Work, region_times

PRIOR_WEIGHT = 0.05
"""A coefficient at twice or half its prior weighs as much as one time that is 5 % off."""
SPAN = 50.0
"""How far at most a coefficient leaves its prior."""
EXECUTED = ("multiply_add", "other", "word")
"""Coefficients of executed instructions."""
OUTLIER = 0.1
"""Relative errors beyond this count by size, not by square: published times have outliers of their own."""


class Observation(msgspec.Struct, frozen=True):
    """Work that took `milliseconds`; `network` and `board` are what can be left out."""

    work: Work
    milliseconds: float
    network: str
    board: str


_Observed = TypeVar("_Observed", bound=Observation)


def fit(
    observations: Sequence[Observation],
    prior: Coefficients,
    weight: float = PRIOR_WEIGHT,
    start: Coefficients | None = None,
    least: float = 1 / SPAN,
) -> Coefficients:
    """The coefficients, none negative, that predict the observations best.

    Minimises the sum of log(predicted / observed)², softened beyond `OUTLIER`, plus `weight`² log(c / prior)² for every
    coefficient c, over log c: a coefficient that no time tells of stays at its prior. One that is 0 there stays 0.
    The search begins at `start`, or at the prior; none of `EXECUTED` falls below `least` times its prior, and no
    other leaves it `SPAN` times.
    """
    if not observations:
        return prior
    stack = _Stack(observations)
    measured = np.array([one.milliseconds for one in observations])
    known = prior.array()
    present = known > 0
    middle = np.log(known[present])
    begin = middle if start is None else np.log(start.array()[present])

    def values(logarithms: np.ndarray) -> np.ndarray:
        found = np.zeros_like(known)
        found[present] = np.exp(logarithms)
        return found

    def residuals(logarithms: np.ndarray) -> np.ndarray:
        predicted, _ = stack.predict(values(logarithms))
        return np.concatenate([_softened(np.log(predicted / measured)), weight * (logarithms - middle)])

    def slopes(logarithms: np.ndarray) -> np.ndarray:
        coefficients = values(logarithms)
        predicted, gradient = stack.predict(coefficients)
        relative = (gradient * coefficients)[:, present] / predicted[:, None]
        softened = _softened_slope(np.log(predicted / measured))
        return np.concatenate([softened[:, None] * relative, weight * np.eye(len(middle))])

    executed = np.isin(list(UNITS), EXECUTED)[present]
    limits = middle + np.log(np.where(executed, least, 1 / SPAN)), middle + np.log(SPAN)
    begin = np.clip(begin, *limits)
    found = least_squares(residuals, begin, slopes, bounds=limits, ftol=1e-5, xtol=1e-4, max_nfev=100)
    return msgspec.structs.replace(prior, **dict(zip(UNITS, values(found.x).tolist(), strict=True)))


def leave_one_out(
    observations: Sequence[_Observed],
    group: Callable[[_Observed], Hashable],
    prior: Coefficients,
    least: float = 1 / SPAN,
    learned: Callable[[_Observed], bool] = lambda _: True,
) -> Iterable[tuple[_Observed, float]]:
    """Every observation with the milliseconds predicted by a fit on those of all other groups that are `learned`."""
    for left_out in dict.fromkeys(group(one) for one in observations):
        others = [one for one in observations if learned(one) and group(one) != left_out]
        coefficients = fit(others, prior, least=least).array()
        for one in observations:
            if group(one) == left_out:
                yield one, one.work.milliseconds(coefficients)


class _Stack:
    """The work of many observations, predicted at once; all have one `overlap`."""

    def __init__(self, observations: Sequence[Observation]) -> None:
        works = [one.work for one in observations]
        first_tasks = np.cumsum([0, *(len(work.tasks) for work in works)])[:-1]
        self.first_regions = np.cumsum([0, *(len(work.starts) for work in works)])[:-1]
        self.overhead_ms = np.array([work.overhead_ms for work in works])
        self.work = Work(
            tasks=np.concatenate([work.tasks for work in works]),
            starts=np.concatenate([work.starts + first for work, first in zip(works, first_tasks, strict=True)]),
            traffic_ms=np.concatenate([work.traffic_ms for work in works]),
            shared_ms=np.concatenate([work.shared_ms for work in works]),
            overhead_ms=float(self.overhead_ms.sum()),
            overlap=works[0].overlap,
        )

    def predict(self, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Milliseconds [observations], and what a unit more of each coefficient adds to them [observations, 9]."""
        times, slopes = region_times(self.work, coefficients)
        milliseconds = np.add.reduceat(times, self.first_regions) + self.overhead_ms
        return milliseconds, np.add.reduceat(slopes, self.first_regions)


def _softened(errors: np.ndarray) -> np.ndarray:
    """Errors whose squares grow linearly beyond `OUTLIER` (the pseudo-Huber loss)."""
    return errors * np.sqrt(2 / (1 + np.hypot(1, errors / OUTLIER)))


def _softened_slope(errors: np.ndarray) -> np.ndarray:
    """The derivative of `_softened`."""
    root = np.hypot(1, errors / OUTLIER)
    return np.sqrt((1 + root) / 2) / root
