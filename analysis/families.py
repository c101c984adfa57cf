"""How families compare: shares of the merged front, hypervolumes, best accuracies, each with an interval.

All intervals are 95 % bootstrap intervals: the study's networks are resampled with replacement, seeded. They
cover which networks were sampled from the space. They do not cover training noise, timing noise, the error of
a predicted latency or the finite test set.

A resample can lose good networks but never find better ones. The intervals of hypervolume and of best
accuracy therefore end at the value itself, and their low end says how much of it hangs on single networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.analysis.frame import require_comparable, tidy, usable
from bench.analysis.pareto import front_mask, front_masks, hypervolume
from bench.analysis.statistics import MIN_NETWORKS, percentile95, present


@dataclass(frozen=True)
class Box:
    """The corner a hypervolume is bounded by (slowest, least accurate) and the opposite, ideal corner."""

    latency_ms: float
    top1: float
    ideal_latency_ms: float
    ideal_top1: float

    @property
    def area(self) -> float:
        """Area between the corners, ms times share."""
        return (self.latency_ms - self.ideal_latency_ms) * (self.ideal_top1 - self.top1)


@dataclass(frozen=True)
class Lead:
    """Which family is the most accurate within a latency budget, and by how much over the next family.

    `margin` and its interval are differences of top-1 shares; `leads` is the share of resamples in which
    `family` is again the strict leader.
    """

    budget_ms: float
    family: str
    top1: float
    network_id: str
    runner_up: str
    runner_up_top1: float
    margin: float
    margin_low: float
    margin_high: float
    leads: float


def study_box(df: pd.DataFrame) -> Box:
    """The box that spans the study's finished networks; NaN corners when there are none."""
    table = usable(df, "latency_ms", "top1")
    if table.empty:
        return Box(math.nan, math.nan, math.nan, math.nan)
    latency, top1 = table["latency_ms"], table["top1"]
    return Box(float(latency.max()), float(top1.min()), float(latency.min()), float(top1.max()))


def family_table(df: pd.DataFrame, box: Box | None = None, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """One row a family, the largest share of the merged front first.

    Columns: family, networks (rows), finished (with latency and top1), on_front (networks on the merged
    front), share (on_front over the merged front's size) with share_low and share_high (percentile interval,
    NaN below 5 finished networks in the study), hypervolume (of the family's own front, as a share of `box`,
    by default `study_box`) with hypervolume_low and hypervolume_high (NaN below 5 finished networks of the
    family). Raises UsageError when the rows mix targets or latency sources.
    """
    require_comparable(df)
    rows_of = tidy(df)["family"].value_counts()
    table = usable(df, "latency_ms", "top1")
    latency, top1 = table["latency_ms"].to_numpy(), table["top1"].to_numpy()
    family = table["family"].to_numpy(dtype=str)
    box = box or study_box(df)
    drawn = present(len(table), draws, seed) if len(table) else np.zeros((draws, 0), dtype=bool)
    drawn_fronts = front_masks(latency, top1, drawn)
    sizes = drawn_fronts.sum(axis=1)
    merged = front_mask(latency, top1)
    rows = []
    for name in rows_of.index:
        own = family == name
        on_front = int((merged & own).sum())
        share = on_front / merged.sum() if merged.any() else math.nan
        share_low = share_high = math.nan
        if len(table) >= MIN_NETWORKS:
            share_low, share_high = percentile95((drawn_fronts & own).sum(axis=1) / sizes)
        volume, low, high = _volume(latency[own], top1[own], drawn[:, own], box)
        rows.append(
            (
                name,
                int(rows_of[name]),
                int(own.sum()),
                on_front,
                share,
                share_low,
                share_high,
                volume,
                low,
                high,
            )
        )
    columns = ["family", "networks", "finished", "on_front", "share", "share_low", "share_high"]
    columns += ["hypervolume", "hypervolume_low", "hypervolume_high"]
    result = pd.DataFrame(rows, columns=columns)
    order = ["share", "hypervolume", "finished", "family"]
    return result.sort_values(order, ascending=[False, False, False, True]).reset_index(drop=True)


def _volume(
    latency: NDArray[np.float64], top1: NDArray[np.float64], drawn: NDArray[np.bool_], box: Box
) -> tuple[float, float, float]:
    if len(latency) == 0 or not box.area > 0:
        return (math.nan, math.nan, math.nan)
    reference = (box.latency_ms, box.top1)
    points = np.column_stack([latency, top1])
    value = hypervolume(points, reference) / box.area
    if len(latency) < MIN_NETWORKS:
        return (value, math.nan, math.nan)
    fronts = front_masks(latency, top1, drawn)
    volumes = np.array([hypervolume(points[mask], reference) for mask in fronts]) / box.area
    return (value, percentile95(volumes)[0], value)


def default_budgets(df: pd.DataFrame) -> tuple[float, ...]:
    """The quartiles of the finished networks' latencies in ms, rounded to two significant digits."""
    latency = usable(df, "latency_ms", "top1")["latency_ms"]
    if latency.empty:
        return ()
    return tuple(sorted({float(f"{value:.2g}") for value in np.quantile(latency, (0.25, 0.5, 0.75))}))


def best_at_budgets(
    df: pd.DataFrame, budgets: Sequence[float] | None = None, draws: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Each family's best top-1 within each latency budget; by default within `default_budgets`.

    Columns: family, budget_ms, candidates (its networks within the budget), top1, top1_low, top1_high,
    network_id and latency_ms of the best network (the fastest of equals). top1 is NaN without a candidate,
    its interval below 5 candidates. Raises UsageError when the rows mix targets or latency sources.
    """
    require_comparable(df)
    table = usable(df, "latency_ms", "top1").sort_values(["latency_ms", "network_id"], ignore_index=True)
    latency, top1 = table["latency_ms"].to_numpy(), table["top1"].to_numpy()
    family = table["family"].to_numpy(dtype=str)
    drawn = present(len(table), draws, seed) if len(table) else np.zeros((draws, 0), dtype=bool)
    rows = []
    for budget in default_budgets(df) if budgets is None else budgets:
        for name in sorted(set(family)):
            own = np.flatnonzero((family == name) & (latency <= budget))
            if len(own) == 0:
                rows.append((name, budget, 0, math.nan, math.nan, math.nan, "", math.nan))
                continue
            best = own[int(np.argmax(top1[own]))]
            low = high = math.nan
            if len(own) >= MIN_NETWORKS:
                low, high = percentile95(_best(top1[own], drawn[:, own]))[0], float(top1[best])
            found = (table["network_id"][best], float(latency[best]))
            rows.append((name, budget, len(own), float(top1[best]), low, high, *found))
    columns = [
        "family",
        "budget_ms",
        "candidates",
        "top1",
        "top1_low",
        "top1_high",
        "network_id",
        "latency_ms",
    ]
    return pd.DataFrame(rows, columns=columns)


def _best(values: NDArray[np.float64], drawn: NDArray[np.bool_]) -> NDArray[np.float64]:
    best = np.where(drawn, values, -np.inf).max(axis=1)
    return np.where(np.isfinite(best), best, np.nan)


def lead(df: pd.DataFrame, budget_ms: float, draws: int = 1000, seed: int = 0) -> Lead | None:
    """The most accurate family within `budget_ms`, against the next; None if fewer than two qualify.

    Only families with at least 5 networks within the budget qualify: below that a difference says more about
    single networks than about families. The margin's interval is a percentile interval, widened where needed
    to hold the margin. Raises UsageError when the rows mix targets or latency sources.
    """
    table = usable(df, "latency_ms", "top1").sort_values(["latency_ms", "network_id"], ignore_index=True)
    best = best_at_budgets(df, [budget_ms], draws=1, seed=seed)
    best = best[best["candidates"] >= MIN_NETWORKS]
    if len(best) < 2:
        return None
    best = best.sort_values(["top1", "latency_ms"], ascending=[False, True], ignore_index=True)
    first, second = best.iloc[0], best.iloc[1]
    drawn = present(len(table), draws, seed)
    within = (table["latency_ms"] <= budget_ms).to_numpy()
    family, top1 = table["family"], table["top1"].to_numpy()
    bests = {}
    for name in best["family"]:
        own = within & (family == name).to_numpy()
        bests[name] = _best(top1[own], drawn[:, own])
    margin = float(first["top1"] - second["top1"])
    low, high = percentile95(bests[first["family"]] - bests[second["family"]])
    others = np.vstack([np.nan_to_num(bests[name], nan=-1.0) for name in best["family"][1:]])
    leads = float((np.nan_to_num(bests[first["family"]], nan=-1.0) > others.max(axis=0)).mean())
    return Lead(
        budget_ms=float(budget_ms),
        family=str(first["family"]),
        top1=float(first["top1"]),
        network_id=str(first["network_id"]),
        runner_up=str(second["family"]),
        runner_up_top1=float(second["top1"]),
        margin=margin,
        margin_low=min(low, margin),
        margin_high=max(high, margin),
        leads=leads,
    )
