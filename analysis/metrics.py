"""What each numeric column means: its names, unit, direction, interval, and how a person reads it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.analysis.statistics import wilson95
from bench.errors import UsageError
from bench.registry import Registry

MISSING = "—"

Interval = Callable[[pd.DataFrame], NDArray[np.float64]]
"""The 95 % intervals of a metric in a tidy table's n rows: low and high in the column's own unit, shape (n, 2), NaN
where a row has none."""


@dataclass(frozen=True)
class Metric:
    """A column of a study: `value * scale` is in `unit`; `digits` are significant, or decimals if `fixed`.

    `label` is the full name, `short` the one of table headers, `noun` what a sentence calls it, `superlative` the end
    of it that is wanted; each follows from the label where it is not given. `depends_on` says what a value holds for:
    one target and latency source, one data set, or the network alone.
    """

    key: str
    label: str
    unit: str
    direction: Literal["minimise", "maximise"]
    scale: float = 1.0
    digits: int = 3
    fixed: bool = False
    interval: Interval | None = None
    depends_on: Literal["target", "dataset", ""] = ""
    short: str = ""
    noun: str = ""
    superlative: str = ""

    def __post_init__(self) -> None:
        most = "least" if self.direction == "minimise" else "most"
        words = {"short": self.label, "noun": self.label, "superlative": f"{most} {self.label}"}
        for name, word in words.items():
            object.__setattr__(self, name, getattr(self, name) or word)

    @property
    def title(self) -> str:
        """Label and unit, as an axis or a table header shows them."""
        return f"{self.label} ({self.unit})"

    @property
    def is_share(self) -> bool:
        """Whether values lie between 0 and 1 and are read as per cent."""
        return self.unit == "%"

    def number(self, value: float) -> str:
        """`value` in the metric's unit, without the unit; `MISSING` when it is missing."""
        if value is None or not math.isfinite(value):
            return MISSING
        scaled = value * self.scale
        decimals = self.digits
        if not self.fixed:
            magnitude = math.floor(math.log10(abs(scaled))) if scaled else 0
            decimals = max(0, self.digits - 1 - magnitude)
        return f"{scaled:,.{decimals}f}"

    def text(self, value: float) -> str:
        """`value` with its unit, such as `12.3 ms`."""
        number = self.number(value)
        return number if number == MISSING else f"{number} {self.unit}"

    def intervals(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        """`interval` of a tidy table's rows, shape (n, 2); NaN for a metric that has none."""
        return np.full((len(rows), 2), np.nan) if self.interval is None else self.interval(rows)


@dataclass(frozen=True)
class Objectives:
    """Two metrics that networks are weighed by: `cost` is to be small, `value` to be large.

    Raises UsageError for an unknown metric, and for one whose direction is the other.
    """

    cost: str
    value: str

    def __post_init__(self) -> None:
        for key, direction, place in ((self.cost, "minimise", "cost"), (self.value, "maximise", "value")):
            if METRICS[key].direction != direction:
                known = ", ".join(name for name, metric in METRICS.items() if metric.direction == direction)
                raise UsageError(f"{key} is not to be {direction}d, so it is no {place}; take one of {known}")

    @property
    def metrics(self) -> tuple[Metric, Metric]:
        """The cost's metric and the value's."""
        return METRICS[self.cost], METRICS[self.value]


def _counted_share(key: str) -> Interval:
    """Wilson's interval of a share counted on `test_images` images."""

    def interval(rows: pd.DataFrame) -> NDArray[np.float64]:
        pairs = [wilson95(share, images) for share, images in zip(rows[key], rows["test_images"], strict=True)]
        return np.asarray(pairs, dtype=np.float64).reshape(-1, 2)

    return interval


def _latency_interval(rows: pd.DataFrame) -> NDArray[np.float64]:
    return rows[["latency_ci95_low_ms", "latency_ci95_high_ms"]].to_numpy(dtype=np.float64)


def _accuracy(key: str, label: str, short: str = "", noun: str = "", superlative: str = "") -> Metric:
    words = {"short": short, "noun": noun, "superlative": superlative}
    share = _counted_share(key)
    return Metric(key, label, "%", "maximise", 100, 1, fixed=True, interval=share, depends_on="dataset", **words)


METRICS: Registry[Metric] = Registry("metric")

for _metric in (
    Metric(
        "latency_ms",
        "latency",
        "ms",
        "minimise",
        interval=_latency_interval,
        depends_on="target",
        superlative="fastest",
    ),
    Metric("energy_mj", "energy", "mJ", "minimise", depends_on="target"),
    _accuracy("top1", "top-1 accuracy", "top-1", "accuracy", "most accurate"),
    _accuracy("top5", "top-5 accuracy", "top-5"),
    _accuracy("plain_top1", "top-1 accuracy before token reduction"),
    _accuracy("dynamic_top1", "top-1 accuracy while thresholds decide"),
    _accuracy("agreement", "agreement of thresholds and fixed counts", "agreement", "agreement"),
    Metric("macs", "MACs", "M", "minimise", scale=1e-6),
    Metric("params", "parameters", "M", "minimise", scale=1e-6),
    Metric("activations", "activations", "M", "minimise", scale=1e-6),
    Metric("peak_memory_bytes", "peak activation memory", "MiB", "minimise", scale=2**-20),
):
    METRICS.add(_metric.key, _metric)

OBJECTIVES = Objectives("latency_ms", "top1")
"""What networks are weighed by unless something else is asked for."""
