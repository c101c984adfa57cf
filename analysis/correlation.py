"""How well MACs, activations and parameters rank networks by latency or another cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from blockfront.analysis.frame import require_comparable, tidy, usable
from blockfront.analysis.metrics import OBJECTIVES, Objectives
from blockfront.analysis.pareto import front
from blockfront.analysis.statistics import MIN_NETWORKS, resamples
from blockfront.results import interval95

PROXIES = ("macs", "activations", "params")


def _row_spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    ranks = [pd.DataFrame(values).rank(axis=1).to_numpy() for values in (a, b)]
    x, y = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    spread = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    with np.errstate(invalid="ignore"):
        return np.where(spread > 0, (x * y).sum(axis=1) / spread, np.nan)


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's rank correlation, ties at their average rank; NaN below 2 points or when one is constant."""
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if len(x) < 2:
        return math.nan
    return float(_row_spearman(x[None], y[None])[0])


def spearman_interval(a: ArrayLike, b: ArrayLike, draws: int = 1000, seed: int = 0) -> tuple[float, float]:
    """Bootstrap 95 % percentile interval of `spearman`, pairs resampled; NaN below 5 pairs.

    It covers which networks were sampled, and neither timing noise nor a prediction's error.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if len(x) < MIN_NETWORKS:
        return (math.nan, math.nan)
    rows = resamples(len(x), draws, seed)
    return interval95(_row_spearman(x[rows], y[rows]))


def middle_tercile(values: ArrayLike) -> tuple[float, float]:
    """The 1/3 and 2/3 quantiles of `values`; NaN when there are none."""
    array = np.asarray(values, dtype=np.float64)
    array = array[np.isfinite(array)]
    if len(array) == 0:
        return (math.nan, math.nan)
    low, high = np.quantile(array, (1 / 3, 2 / 3))
    return (float(low), float(high))


def rank_correlations(
    df: pd.DataFrame,
    objectives: Objectives = OBJECTIVES,
    proxies: Sequence[str] = PROXIES,
    band: tuple[float, float] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Spearman correlations with the cost over all networks and inside a band of MACs (bounds included).

    The default band is the middle tercile of MACs: there size alone explains little, so a proxy has to tell designs
    apart. Columns: proxy, band ("all" or "middle"), macs_low, macs_high, n, rho, rho_low, rho_high; rho is NaN below 5
    networks. A proxy that is the cost itself is left out. Raises UsageError when the rows mix targets or latency
    sources.
    """
    cost = objectives.cost
    require_comparable(df, cost)
    macs = usable(df, cost, "macs")["macs"]
    bands = {"all": (-math.inf, math.inf), "middle": band or middle_tercile(macs)}
    rows = []
    for name, (low, high) in bands.items():
        for proxy in (proxy for proxy in proxies if proxy != cost):
            table = usable(df, cost, proxy)
            if name == "middle":
                table = table[table["macs"].between(low, high)]
            enough = len(table) >= MIN_NETWORKS
            rho = spearman(table[proxy], table[cost]) if enough else math.nan
            rho_low, rho_high = spearman_interval(table[proxy], table[cost], draws, seed)
            rows.append((proxy, name, low, high, len(table), rho, rho_low, rho_high))
    columns = ["proxy", "band", "macs_low", "macs_high", "n", "rho", "rho_low", "rho_high"]
    return pd.DataFrame(rows, columns=columns)


def compare_studies(
    frames: Sequence[pd.DataFrame], objectives: Objectives = OBJECTIVES, draws: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """How alike two studies rank the networks they share, for each pair of studies.

    Each frame holds one study with one latency source. Columns: a, b (study names), a_source, b_source,
    shared (networks with the cost in both), rho, rho_low, rho_high (Spearman of the cost, NaN below 5),
    a_front, b_front, both_fronts (networks on each front, and on both).
    """
    cost, tables = objectives.cost, []
    for frame in frames:
        require_comparable(frame, cost)
        tables.append(usable(frame, cost).drop_duplicates("network_id").set_index("network_id"))
    fronts = [set(front(frame, cost, objectives.value)["network_id"]) for frame in frames]
    rows = []
    for i, a in enumerate(tables):
        for j in range(i + 1, len(tables)):
            b = tables[j]
            shared = sorted((set(a.index) & set(b.index)) - {""})
            x, y = a.loc[shared, cost], b.loc[shared, cost]
            rho = spearman(x, y) if len(shared) >= MIN_NETWORKS else math.nan
            names = [_first(frames[k], "study") for k in (i, j)]
            sources = [_first(frames[k], "latency_source") for k in (i, j)]
            interval = spearman_interval(x, y, draws, seed)
            counts = (len(fronts[i]), len(fronts[j]), len(fronts[i] & fronts[j]))
            rows.append((*names, *sources, len(shared), rho, *interval, *counts))
    columns = ["a", "b", "a_source", "b_source", "shared", "rho", "rho_low", "rho_high"]
    return pd.DataFrame(rows, columns=[*columns, "a_front", "b_front", "both_fronts"])


def _first(df: pd.DataFrame, column: str) -> str:
    values = [text for text in tidy(df)[column] if text]
    return values[0] if values else ""
