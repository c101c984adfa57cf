"""Between which milliseconds a predicted latency is meant to lie nine times in ten, and what it was not judged on."""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def conformal(ratios: Sequence[float]) -> float | None:
    """Half the width, in logarithms, of an interval that holds a new prediction's truth nine times in ten.

    `ratios` are predicted / true of exchangeable others; split conformal prediction takes the ⌈(n + 1) 0.9⌉-th smallest
    of |log ratio| (Lei et al., JASA 2018), here the largest where n is below 9. None of none.
    """
    if not len(ratios):
        return None
    errors = np.sort(np.abs(np.log(np.asarray(ratios, float))))
    return float(errors[min(math.ceil((len(errors) + 1) * COVERAGE), len(errors)) - 1])


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
