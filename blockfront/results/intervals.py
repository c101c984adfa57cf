"""Intervals of a metric on test images."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blockfront.errors import UsageError

Z95 = 1.959963984540054


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


def paired95(lost: int, won: int, n: int) -> tuple[float, float]:
    """The 95 % interval of (lost - won) / n, the difference of two shares that were seen in the same `n` trials.

    `lost` trials the first has and the second has not, `won` the other way round. As `wilson95`, it covers the finite
    test set alone. Adjusted Wald: Bonett and Price, Psychometrika 77 (2012), which is no point where both are 0.
    """
    first, second = (lost + 1) / (n + 2), (won + 1) / (n + 2)
    half = Z95 * math.sqrt((first + second - (first - second) ** 2) / (n + 2))
    return (max(-1.0, first - second - half), min(1.0, first - second + half))


def bootstrap95(
    metric: Callable[[NDArray[np.intp]], float], images: int, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % percentile interval of a metric over test images drawn with replacement, for metrics that are no share.

    `metric(rows)` gives it for the images of these indices, shape (images,), some of which come twice and some not at
    all. As `wilson95`, it covers the finite test set alone; NaN for fewer than two images. Values that are NaN, such as
    those of a class that a draw has no image of, do not count. Method: Efron, Annals of Statistics 7 (1979).
    """
    return interval95(bootstrap(metric, images, draws, seed)) if images > 1 else (math.nan, math.nan)


def bootstrap(
    metric: Callable[[NDArray[np.intp]], ArrayLike], images: int, draws: int = 1000, seed: int = 0
) -> NDArray[np.float64]:
    """What `metric`, as in `bootstrap95`, gives of each draw, (draws, ...): one number, or several at once."""
    generator = np.random.default_rng(seed)
    return np.array([metric(generator.integers(images, size=images)) for _ in range(draws)], dtype=np.float64)


def interval95(values: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % percentile interval of what was drawn (draws,), without what is not finite; NaN where nothing is."""
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return (math.nan, math.nan)
    low, high = np.quantile(values, (0.025, 0.975))
    return (float(low), float(high))
