"""Bootstrap intervals for statistics of a sample of networks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

MIN_NETWORKS = 5


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
