"""How much faster the best family is than each other one, at equal accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blockfront.analysis.frame import require_comparable, usable
from blockfront.analysis.metrics import OBJECTIVES, Objectives
from blockfront.analysis.seeds import drawn_gains
from blockfront.analysis.statistics import MIN_NETWORKS, drawn_together, held
from blockfront.errors import UsageError
from blockfront.results import interval95

LEVELS = 9
"""Accuracies that families are compared at: deciles of the networks' own."""


def accuracy_levels(df: pd.DataFrame, objectives: Objectives = OBJECTIVES) -> tuple[float, ...]:
    """The deciles of the finished networks' accuracies (or of another value), each once, from bad to good."""
    gains = objectives.gains(usable(df, objectives.value))
    if len(gains) == 0:
        return ()
    deciles = np.unique(np.quantile(gains, np.arange(1, LEVELS + 1) / (LEVELS + 1), method="higher"))
    return tuple((objectives.sign * deciles).tolist())


def speedups(
    df: pd.DataFrame,
    objectives: Objectives = OBJECTIVES,
    levels: Sequence[float] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """One row for each family but the best: how many times its cost is the best one's, the largest first.

    A family's cost at an accuracy (or another value) is the least of its networks that are at least as accurate. The
    best family has the least cost at most of the `levels` (`accuracy_levels` by default), and among such families the
    least mean logarithm of cost. Families below 5 finished networks do not count.

    Columns: best, family, networks (finished), levels (accuracies that both reach), wins (levels of those at which the
    best costs less), speedup (geometric mean over them of the costs' ratio, NaN without one), speedup_low,
    speedup_high (95 % percentile interval, networks and training seeds resampled with the best family kept, widened
    where needed to hold the value), paired (whether resamples were of skeletons). Empty with fewer than two families.
    Raises UsageError when a cost is not above 0, of which there is no ratio, and when the rows mix targets or latency
    sources.
    """
    metric = objectives.cost
    require_comparable(df, metric, objectives.value)
    table = usable(df, metric, objectives.value).sort_values([metric, "network_id"], ignore_index=True)
    if (table[metric] <= 0).any():
        raise UsageError(f"a ratio of costs needs costs above 0, and {metric} has {table[metric].min():g}")
    levels = accuracy_levels(df, objectives) if levels is None else levels
    at = objectives.sign * np.asarray(levels, dtype=np.float64)
    family = table["family"].to_numpy(dtype=str)
    names = [name for name in sorted(set(family)) if (family == name).sum() >= MIN_NETWORKS]
    columns = ["best", "family", "networks", "levels", "wins", "speedup", "speedup_low", "speedup_high"]
    if len(names) < 2 or not len(at):
        return pd.DataFrame([], columns=columns)
    cost, gain = objectives.costs(table), objectives.gains(table)
    everything = np.ones((1, len(table)), dtype=bool)
    drawn = held(table, draws, seed)
    whole = {name: least_costs(cost, gain, everything & (family == name), at)[0] for name in names}
    best = _best(whole)
    reseeded = drawn_gains(table, objectives, draws, seed)
    drawn_best = least_costs(cost, reseeded, drawn & (family == best), at)
    rows = []
    for name in names:
        if name == best:
            continue
        shared = np.isfinite(whole[name]) & np.isfinite(whole[best])
        ratio = float(mean_ratio(whole[name][None, shared], whole[best][None, shared])[0])
        drawn_own = least_costs(cost, reseeded, drawn & (family == name), at)
        low, high = interval95(mean_ratio(drawn_own[:, shared], drawn_best[:, shared]))
        wins = int((whole[best][shared] < whole[name][shared]).sum())
        interval = (min(low, ratio), max(high, ratio))
        rows.append((best, name, int((family == name).sum()), int(shared.sum()), wins, ratio, *interval))
    found = pd.DataFrame(rows, columns=columns).assign(paired=drawn_together(table))
    return found.sort_values(["speedup", "family"], ascending=[False, True], ignore_index=True)


def least_costs(
    cost: NDArray[np.float64], gain: NDArray[np.float64], holds: NDArray[np.bool_], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Least cost at each level of the networks each row of `holds` has, (rows, levels); infinite without one."""
    return np.column_stack([np.where(holds & (gain >= level), cost, np.inf).min(axis=1) for level in levels])


def _best(costs: dict[str, NDArray[np.float64]]) -> str:
    least = np.min(list(costs.values()), axis=0)
    reached = np.isfinite(least)

    def rank(name: str) -> tuple[int, float, str]:
        own = costs[name][reached]
        finite = np.isfinite(own)
        mean = float(np.log(own[finite]).mean()) if finite.any() else math.inf
        return -int((own == least[reached]).sum()), mean, name

    return min(costs, key=rank)


def mean_ratio(other: NDArray[np.float64], best: NDArray[np.float64]) -> NDArray[np.float64]:
    """Geometric mean of other / best over the levels that a resample leaves to both; NaN where it leaves none."""
    both = np.isfinite(other) & np.isfinite(best)
    logs = np.log(np.where(both, other, 1.0)) - np.log(np.where(both, best, 1.0))
    counts = both.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(counts > 0, np.exp(logs.sum(axis=1) / counts), np.nan)
