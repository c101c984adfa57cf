"""Pareto fronts, their hypervolume, and the best network within a budget."""

from __future__ import annotations

import moocore
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from blockfront.analysis.frame import require_comparable, usable
from blockfront.analysis.metrics import OBJECTIVES, Objectives
from blockfront.results import METRICS


def front_mask(cost: ArrayLike, value: ArrayLike) -> NDArray[np.bool_]:
    """Which points are on the Pareto front of low `cost` and high `value`, shape (n,).

    A point is on the front if and only if no other point is at least as good in both and strictly better in
    one. So of equal costs only the highest value stays, of equal values only the lowest cost, and exact
    duplicates stay or go together. A point with NaN or an infinity is never on the front and dominates
    nothing.
    """
    costs, values = np.asarray(cost, dtype=np.float64), np.asarray(value, dtype=np.float64)
    return front_masks(costs, values, np.ones((1, len(costs)), dtype=bool))[0]


def front_masks(cost: ArrayLike, value: ArrayLike, present: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """`front_mask` of many subsets: row i is the front of the points in `present[i]`, shape (k, n).

    `value` is one a point (n,), or another one in each subset (k, n).
    """
    costs, values = np.asarray(cost, dtype=np.float64), np.asarray(value, dtype=np.float64)
    if values.ndim == 2:
        if len(values) > 1:
            return np.vstack([front_masks(costs, row, held[None]) for row, held in zip(values, present, strict=True)])
        values = values[0]
    finite = np.isfinite(costs) & np.isfinite(values)
    masks = np.zeros(present.shape, dtype=bool)
    rows = np.flatnonzero(finite)
    if len(rows) == 0:
        return masks
    distinct, group = np.unique(np.column_stack([costs[rows], -values[rows]]), axis=0, return_inverse=True)
    group = group.reshape(-1)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(distinct)))
    holds = np.logical_or.reduceat(present[:, rows[order]], starts, axis=1)
    seen = np.where(holds, -distinct[:, 1], -np.inf)
    best_before = np.maximum.accumulate(seen, axis=1)[:, :-1]
    on_front = holds.copy()
    on_front[:, 1:] &= seen[:, 1:] > best_before
    masks[:, rows] = on_front[:, group] & present[:, rows]
    return masks


def front(df: pd.DataFrame, x: str = OBJECTIVES.cost, y: str = OBJECTIVES.value) -> pd.DataFrame:
    """The rows on the front of metrics `x` and `y`, each in its own direction, ordered by `x`.

    Ties, duplicates and missing values as in `front_mask`; failed networks never count.
    Raises UsageError for an unknown metric, and when the rows mix targets or latency sources.
    """
    require_comparable(df, x, y)
    table = usable(df, x, y)
    cost = table[x] if METRICS[x].direction == "minimize" else -table[x]
    value = table[y] if METRICS[y].direction == "maximize" else -table[y]
    rows = table[front_mask(cost, value)]
    return rows.sort_values([x, "network_id"], kind="stable").reset_index(drop=True)


def hypervolume(points: ArrayLike, reference: tuple[float, float]) -> float:
    """Area that points (cost, value) of shape (n, 2) dominate, bounded by `reference`; cost low, value high.

    Points with NaN, and points no better than the reference in one of the two, add nothing. Computed by
    moocore (Fonseca, Paquete, López-Ibáñez 2006).
    """
    array = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    array = array[np.isfinite(array).all(axis=1)]
    if len(array) == 0:
        return 0.0
    return float(moocore.hypervolume(array, ref=np.asarray(reference, dtype=np.float64), maximise=[False, True]))


def best_within(df: pd.DataFrame, budget: float, objectives: Objectives = OBJECTIVES) -> pd.Series | None:
    """The network of the best value that costs at most `budget`, of equals the cheapest; None without one.

    `budget` is in the cost column's own unit.
    """
    cost, value = objectives.cost, objectives.value
    require_comparable(df, cost, value)
    table = usable(df, cost, value)
    table = table[table[cost] <= budget]
    if table.empty:
        return None
    rising = objectives.sign < 0
    return table.sort_values([value, cost, "network_id"], ascending=[rising, True, True]).iloc[0]
