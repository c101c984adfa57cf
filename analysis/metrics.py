"""What networks are weighed by: metrics, pairs of them, and their intervals in a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blockfront.errors import UsageError
from blockfront.results import METRICS, Metric


def intervals(metric: Metric, rows: pd.DataFrame) -> NDArray[np.float64]:
    """The 95 % intervals of a metric in a tidy table's n rows: low and high in the column's own unit, shape (n, 2), NaN
    where a row has none."""
    if metric.interval is None:
        return np.full((len(rows), 2), np.nan)
    return rows[list(metric.interval)].to_numpy(dtype=np.float64)


@dataclass(frozen=True)
class Objectives:
    """Two metrics that networks are weighed by: `cost` is to be small, `value` to be large.

    Raises UsageError for an unknown metric, and for one whose direction is the other.
    """

    cost: str
    value: str

    def __post_init__(self) -> None:
        for key, direction, place in ((self.cost, "minimize", "cost"), (self.value, "maximize", "value")):
            if METRICS[key].direction != direction:
                known = ", ".join(name for name, metric in METRICS.items() if metric.direction == direction)
                raise UsageError(f"{key} is not to be {direction}d, so it is no {place}; take one of {known}")

    @property
    def metrics(self) -> tuple[Metric, Metric]:
        """The cost's metric and the value's."""
        return METRICS[self.cost], METRICS[self.value]


OBJECTIVES = Objectives("latency_ms", "top1")
"""What networks are weighed by unless something else is asked for."""
