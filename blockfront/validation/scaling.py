"""How many times faster several threads are than fewer: published against predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from blockfront.validation.boards import CasePrediction


@dataclass(frozen=True)
class Scaling:
    """A network on a board with `fewer` and with `more` threads: the time with fewer over that with more."""

    device: str
    core: str
    precision: str
    network: str
    fewer: int
    more: int
    published: float
    predicted: float


@dataclass(frozen=True)
class ScalingReport:
    """A board's networks together: geometric means, the median of |predicted / published - 1|, and the bias.

    `bias` is the geometric mean of predicted / published: above 1 where more threads are predicted to gain too much.
    """

    device: str
    core: str
    precision: str
    fewer: int
    more: int
    n: int
    published: float
    predicted: float
    median_abs_error: float
    bias: float


def scalings(predictions: Sequence[CasePrediction]) -> list[Scaling]:
    """Every pair of neighbouring numbers of threads that a network was published with on the same cores of a board.

    Predictions are those of fits without the network.
    """
    groups: dict[tuple[str, ...], dict[int, CasePrediction]] = {}
    for one in predictions:
        row, place = one.case.published, one.case.placement
        key = row.device, row.chip, row.precision, place.target.name, one.case.network.name
        if one.network_ms is not None:
            groups.setdefault(key, {}).setdefault(place.threads, one)
    found = []
    for members in groups.values():
        for fewer, more in combinations(sorted(members), 2):
            if fewer > 1 and 1 in members:
                continue
            first, second = members[fewer], members[more]
            case = first.case
            published = case.published.milliseconds / second.case.published.milliseconds
            predicted = (first.network_ms or 0.0) / (second.network_ms or 1.0)
            names = case.published.device, case.core, case.published.precision[:4], case.network.name
            found.append(Scaling(*names, fewer, more, published, predicted))
    return found


def report_scaling(found: Sequence[Scaling]) -> list[ScalingReport]:
    """One entry a board, core, precision and pair of numbers of threads."""
    groups: dict[tuple[str, str, str, int, int], list[Scaling]] = {}
    for one in found:
        groups.setdefault((one.device, one.core, one.precision, one.fewer, one.more), []).append(one)
    return [_entry(key, members) for key, members in groups.items()]


def _entry(key: tuple[str, str, str, int, int], members: Sequence[Scaling]) -> ScalingReport:
    published, predicted = (np.array([getattr(one, name) for one in members]) for name in ("published", "predicted"))
    ratios = predicted / published
    return ScalingReport(
        *key,
        n=len(members),
        published=_geomean(published),
        predicted=_geomean(predicted),
        median_abs_error=float(np.median(np.abs(ratios - 1))),
        bias=_geomean(ratios),
    )


def _geomean(values: np.ndarray) -> float:
    return float(np.exp(np.log(values).mean()))
