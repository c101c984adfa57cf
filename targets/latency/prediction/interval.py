"""Between which milliseconds a predicted latency is meant to lie nine times in ten, and what it was not judged on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from blockfront.targets.latency.prediction.core_model import Error

COVERAGE = 0.9
"""The share of latencies that an interval is meant to hold."""
OWN_CODE = math.log(1 / (1 - 0.20))
"""Half an interval's width, in logarithms, for code that is not the judged code: 90 % of 162 networks of the suite's
own code on x86-64 were within 20 % of the measured time (docs/prediction.md)."""
LAUNCH_RANGE = (0.4, 5.0)
"""Times its estimate, between which the cost of a parallel region lies: see docs/prediction.md."""


class Interval(NamedTuple):
    """Milliseconds, and in what the latency lies outside of the judged ones."""

    low_ms: float
    high_ms: float
    outside: tuple[str, ...]


def conformal(ratios: Sequence[float], groups: Sequence[Hashable] | None = None) -> float | None:
    """Half the width, in logarithms, of an interval that holds a new prediction's truth nine times in ten.

    `ratios` are predicted / true of others; None of none. Those of a group (a board, a network) err alike, and what is
    to be predicted is of a new group: every group weighs the same, and of K groups the smallest |log ratio| is taken
    with 0.9 (K + 1) / K of the weight at or below it, the largest where that is above 1 (Dunn et al., JASA 2023). With
    each ratio a group of its own this is split conformal prediction (Lei et al., JASA 2018).
    """
    if not len(ratios):
        return None
    members = list(range(len(ratios)) if groups is None else groups)
    sizes = Counter(members)
    errors = np.abs(np.log(np.asarray(ratios, float)))
    order = np.argsort(errors)
    weights = np.cumsum(np.array([1 / sizes[member] for member in members])[order])
    found = np.searchsorted(weights, COVERAGE * (len(sizes) + 1) - 1e-9)
    return float(errors[order[min(int(found), len(order) - 1)]])


def interval(ms: float, launch_ms: float, error: Error, threads: int, own_code: bool = True) -> Interval:
    """The interval of a predicted latency of which parallel regions cost `launch_ms`.

    Half its width is that of the judged times; where the latency is none of their kind, the root of the sum of squares
    of that and of what the difference made elsewhere. What regions cost may be any of `LAUNCH_RANGE`.
    """
    outside, squares = [], [error.spread**2]
    if own_code and error.code != "ours":
        outside.append(f"its code is not {error.code}'s")
        squares.append(OWN_CODE**2)
    if threads != error.threads:
        outside.append(f"judged with {error.threads} thread{'s' * (error.threads > 1)}, not {threads}")
        squares.append(error.scaling_spread**2)
    if error.fastest_ms is not None and error.slowest_ms is not None:
        if ms < error.fastest_ms:
            outside.append(f"judged from {error.fastest_ms:.3g} ms")
            squares.append(error.spread**2)
        elif ms > error.slowest_ms:
            outside.append(f"judged to {error.slowest_ms:.3g} ms")
            squares.append(error.spread**2)
    factor = math.exp(math.sqrt(sum(squares)))
    least, most = (ms + (times - 1) * launch_ms for times in LAUNCH_RANGE)
    return Interval(least / factor, most * factor, tuple(outside))
