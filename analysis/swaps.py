"""What changes when one block is swapped for another in the same skeleton."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blockfront.analysis.frame import require_comparable, usable
from blockfront.analysis.metrics import OBJECTIVES, Objectives
from blockfront.analysis.statistics import MIN_NETWORKS, resamples
from blockfront.results import interval95


def swaps(
    df: pd.DataFrame, reference: str, objectives: Objectives = OBJECTIVES, draws: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """One row for each family but `reference`: how its networks differ from those of the same skeletons with that.

    Columns: reference, family, skeletons (in which both have a cost), cost_ratio (geometric mean over them of the
    family's cost over the reference's) with cost_ratio_low and cost_ratio_high, trained (skeletons in which both have
    a value), difference (mean of the family's value less the reference's) with difference_low and difference_high; the
    cheapest first. Intervals are 95 % percentile intervals over resampled skeletons, NaN below 5. Empty where networks
    were not drawn in pairs. Raises UsageError when the rows mix targets or latency sources.
    """
    cost, value = objectives.cost, objectives.value
    require_comparable(df, cost, value)
    table = usable(df, cost)
    table = table[table["skeleton"].notna() & (table[cost] > 0)]
    costs, values = (table.pivot_table(key, ["study", "skeleton"], "family") for key in (cost, value))
    columns = ["reference", "family", "skeletons", "cost_ratio", "cost_ratio_low", "cost_ratio_high"]
    columns += ["trained", "difference", "difference_low", "difference_high"]
    rows = []
    for family in costs.columns.drop(reference, errors="ignore") if reference in costs else ():
        logs = np.log((costs[family] / costs[reference]).dropna().to_numpy(dtype=np.float64))
        known = family in values and reference in values
        steps = (values[family] - values[reference]).dropna().to_numpy(dtype=np.float64) if known else np.empty(0)
        ratio = [math.exp(end) for end in _mean(logs, draws, seed)]
        rows.append((reference, family, len(logs), *ratio, len(steps), *_mean(steps, draws, seed)))
    return pd.DataFrame(rows, columns=columns).sort_values("cost_ratio", ignore_index=True)


def _mean(values: NDArray[np.float64], draws: int, seed: int) -> tuple[float, float, float]:
    """A mean with its interval."""
    if len(values) == 0:
        return (math.nan, math.nan, math.nan)
    if len(values) < MIN_NETWORKS:
        return (float(values.mean()), math.nan, math.nan)
    return (float(values.mean()), *interval95(values[resamples(len(values), draws, seed)].mean(axis=1)))
