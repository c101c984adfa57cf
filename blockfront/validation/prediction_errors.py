"""How good predictions are: errors, their spread, and whether they rank networks as measurements do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blockfront.analysis.correlation import spearman


@dataclass(frozen=True)
class Accuracy:
    """Of `n` predictions against measurements.

    Absolute errors are of |predicted / measured - 1|, and `within_tenth` is the share of those up to 10 %, the measure
    of nn-Meter (Zhang et al., MobiSys 2021) and others; `geomean_ratio` is the geometric mean of predicted / measured;
    `spearman` is None for fewer than three.
    """

    n: int
    median_abs_error: float
    p90_abs_error: float
    within_tenth: float
    geomean_ratio: float
    spearman: float | None


def accuracy(predicted: Sequence[float], measured: Sequence[float]) -> Accuracy | None:
    """`Accuracy` of positive numbers in the same unit; None of none."""
    if not len(measured):
        return None
    ratios = np.asarray(predicted, float) / np.asarray(measured, float)
    errors = np.abs(ratios - 1)
    return Accuracy(
        n=len(ratios),
        median_abs_error=float(np.median(errors)),
        p90_abs_error=float(np.percentile(errors, 90)),
        within_tenth=float(np.mean(errors <= 0.1)),
        geomean_ratio=float(np.exp(np.log(ratios).mean())),
        spearman=rank_correlation(predicted, measured),
    )


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's; None where there are fewer than three, or all are equal."""
    found = spearman(first, second) if len(first) >= 3 else math.nan
    return None if math.isnan(found) else found
