"""Intervals of a metric on test images."""

from __future__ import annotations

import math

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
