"""How the tables of the studies write a mean over seeds, and what it may be."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from scipy.stats import t as student


def mean_change(values: Sequence[float], fewest: int = 2) -> str:
    """The mean, and from `fewest` values on, unless all are 0, its 95 % interval by Student's t."""
    mean = statistics.mean(values)
    if len(values) < fewest or not any(values):
        return f"{mean:+.1f}"
    half = student.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:+.1f} ({mean - half:+.1f} to {mean + half:+.1f})"
