"""Intervals: Wilson for a share of test images, bootstrap for statistics of a sample of networks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bench.errors import UsageError

Z95 = 1.959963984540054
MIN_NETWORKS = 5


def wilson95(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share seen in `n` independent trials; NaN when either is missing.

    For top-1 accuracy it covers the finite test set and nothing else: not the training's randomness, and not
    that the best of many networks looks better than it is. Formula: Wilson, JASA 22 (1927).
    Raises UsageError when `share` lies outside 0 to 1.
    """
    if not (math.isfinite(share) and math.isfinite(n)) or n < 1:
        return (math.nan, math.nan)
    if not 0 <= share <= 1:
        raise UsageError(f"a share must lie between 0 and 1, not {share:g}; top1 is a share, not a percentage")
    centre = share + Z95**2 / (2 * n)
    spread = Z95 * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    scale = 1 + Z95**2 / n
    return (max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale))


def resamples(n: int, draws: int, seed: int) -> NDArray[np.intp]:
    """`draws` resamples of n networks with replacement: row numbers (draws, n), the same for a seed."""
    return np.random.default_rng(seed).integers(0, n, size=(draws, n))


def present(n: int, draws: int, seed: int) -> NDArray[np.bool_]:
    """Which of n networks each resample holds, shape (draws, n); the same resamples as `resamples`."""
    mask = np.zeros((draws, n), dtype=bool)
    np.put_along_axis(mask, resamples(n, draws, seed), True, axis=1)
    return mask


def percentile95(samples: NDArray[np.float64]) -> tuple[float, float]:
    """The 2.5 % and 97.5 % quantiles of bootstrap values, NaN left out; NaN when none is left."""
    values = samples[np.isfinite(samples)]
    if len(values) == 0:
        return (math.nan, math.nan)
    low, high = np.quantile(values, (0.025, 0.975))
    return (float(low), float(high))
