"""Statistics of latency samples: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from statistics import median

__all__ = ["median", "median_interval"]


def median_interval(samples: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Confidence interval of the median, from order statistics: no assumption about the distribution.

    With n sorted samples, x[k] to x[n-1-k] covers the median with probability 1 - 2·P(Binomial(n, ½) ≤ k); the
    largest such k is used. Below 6 samples no interval reaches 95 %, and the whole range is given. (Conover,
    Practical Nonparametric Statistics, 3rd ed., section 3.2.)

    Raises `ValueError` for no samples.
    """
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    count = len(ordered)
    below, rank = 0.0, 0
    for k in range(count // 2):
        below += comb(count, k) / 2**count
        if 1 - 2 * below < confidence:
            break
        rank = k
    return ordered[rank], ordered[count - 1 - rank]
