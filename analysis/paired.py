"""Two runs of the same networks, paired by network: how much slower the second is."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from blockfront.analysis.frame import usable
from blockfront.analysis.metrics import OBJECTIVES
from blockfront.analysis.statistics import MIN_NETWORKS, resamples
from blockfront.errors import UsageError
from blockfront.results import METRICS, Metric, interval95

_ALIKE = (
    ("target", "targets"),
    ("precision", "number formats"),
    ("threads", "thread counts"),
    ("latency_source", "latency sources"),
    ("predictor", "predictors"),
)
"""Columns in which two runs must not differ, where what is compared depends on the target; toolchains may."""


@dataclass(frozen=True)
class Paired:
    """A run `after` over a run `before`, by the networks that have `metric` in both.

    `ratio` is the geometric mean of after over before, `low` to `high` its 95 % interval. `networks` has one row a
    network, the slowest first: network_id, family, before, after, ratio. `only_before` and `only_after` count networks
    that have the metric in one run alone.
    """

    metric: Metric
    ratio: float
    low: float
    high: float
    networks: pd.DataFrame
    only_before: int
    only_after: int

    def slower_than(self, limit: float) -> bool:
        """Whether the interval lies wholly above 1 + `limit`."""
        return self.low > 1 + limit


def compare_runs(
    runs: Mapping[str, pd.DataFrame], cost: str = OBJECTIVES.cost, draws: int = 10_000, seed: int = 0
) -> Paired:
    """The second of two runs over the first, by a metric that is to be small.

    The interval is the percentile bootstrap over networks of the mean log ratio. Raises UsageError for runs of another
    target, number format, thread count, latency source or predictor, and for fewer than 5 networks in common.
    """
    metric = METRICS[cost]
    if metric.direction != "minimize":
        raise UsageError(f"{cost} is not to be minimized; compare two runs by a cost")
    (before_name, before), (after_name, after) = ((name, _costs(frame, cost)) for name, frame in runs.items())
    if metric.depends_on == "target":
        _require_alike(before_name, before, after_name, after)
    pairs = pd.DataFrame({"family": before["family"], "before": before[cost], "after": after[cost]}).dropna()
    if len(pairs) < MIN_NETWORKS:
        raise UsageError(
            f"networks with {cost} that {before_name} and {after_name} share: {len(pairs)}; "
            f"an interval needs {MIN_NETWORKS} or more"
        )
    table = pairs.assign(ratio=pairs["after"] / pairs["before"]).rename_axis("network_id")
    logs = np.log(table["ratio"].to_numpy(dtype=np.float64))
    low, high = interval95(logs[resamples(len(logs), draws, seed)].mean(axis=1))
    return Paired(
        metric=metric,
        ratio=math.exp(logs.mean()),
        low=math.exp(low),
        high=math.exp(high),
        networks=table.sort_values("ratio", ascending=False).reset_index(),
        only_before=len(before.index.difference(after.index)),
        only_after=len(after.index.difference(before.index)),
    )


def percentage(text: str) -> float:
    """A share written as a percentage.

    >>> percentage("5%")
    0.05

    Raises UsageError for anything else, a bare number too, which could be either, and for one below 0.
    """
    if re.fullmatch(r"-[0-9]+(\.[0-9]+)? ?%", text):
        raise UsageError(f"{text} is below 0: write how much slower is too slow, 0% or more")
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)? ?%", text):
        raise UsageError(f"{text!r} is no percentage: write 5% or 2.5%")
    return float(text.rstrip("% ")) / 100


def _costs(frame: pd.DataFrame, cost: str) -> pd.DataFrame:
    """The networks with a cost above 0, each once, by id."""
    table = usable(frame, cost)
    return table[(table[cost] > 0) & (table["network_id"] != "")].drop_duplicates("network_id").set_index("network_id")


def _require_alike(before_name: str, before: pd.DataFrame, after_name: str, after: pd.DataFrame) -> None:
    for column, noun in _ALIKE:
        ours, theirs = (_values(table[column]) for table in (before, after))
        if len(before) and len(after) and ours != theirs:
            raise UsageError(
                f"{before_name} and {after_name} differ in {noun} ({ours} and {theirs}): the ratio would not say "
                "which run is slower"
            )


def _values(column: pd.Series) -> str:
    return (
        ", ".join(sorted({f"{value:g}" if isinstance(value, float) else value for value in column.dropna()} - {""}))
        or "none"
    )
