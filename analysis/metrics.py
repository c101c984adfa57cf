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
    """Two metrics that networks are weighed by: `cost` is to be small, `value` large or small as its metric says.

    Raises UsageError for an unknown metric, a cost that is to be large, and one metric for both.
    """

    cost: str
    value: str

    def __post_init__(self) -> None:
        cost, value = self.metrics
        if cost.direction != "minimize":
            known = ", ".join(name for name, metric in METRICS.items() if metric.direction == "minimize")
            raise UsageError(f"{cost.key} is not to be minimized, so it is no cost; take one of {known}")
        if cost == value:
            raise UsageError(f"{cost.key} is the cost already; take another metric for the value")

    @property
    def metrics(self) -> tuple[Metric, Metric]:
        """The cost's metric and the value's."""
        return METRICS[self.cost], METRICS[self.value]

    @property
    def sign(self) -> int:
        """The value's: a value times that is a gain, which is to be large."""
        return METRICS[self.value].sign

    @property
    def up(self) -> str:
        """Which way a figure's value axis gets better: "Up" or "Down"."""
        return "Up" if self.sign > 0 else "Down"

    def costs(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        """The costs of a tidy table's n rows, (n,)."""
        return rows[self.cost].to_numpy(dtype=np.float64)

    def gains(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        """The gains of a tidy table's n rows, (n,)."""
        return self.sign * rows[self.value].to_numpy(dtype=np.float64)


OBJECTIVES = Objectives("latency_ms", "top1")
"""What networks are weighed by unless something else is asked for."""
