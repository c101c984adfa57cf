"""How families compare: shares of the merged front, hypervolumes, best values, each with an interval.

All intervals are 95 % bootstrap intervals: the study's networks are resampled with replacement, seeded, those of one
skeleton together (`statistics.held`), and where they were trained several times, so are the trainings' seeds
(`seeds.drawn_gains`). They cover which networks were
sampled from the space, and the luck of training where it is known. They do not cover timing noise, the error of a
prediction or the finite test set.

A resample of networks can lose good ones but never find better ones. The intervals of hypervolume and of the best
value therefore end at the value itself where one seed was trained, and their low end says how much of it hangs on
single networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blockfront.analysis.frame import require_comparable, tidy, usable
from blockfront.analysis.metrics import OBJECTIVES, Objectives
from blockfront.analysis.pareto import front_mask, front_masks, hypervolume
from blockfront.analysis.seeds import drawn_gains
from blockfront.analysis.statistics import MIN_NETWORKS, drawn_together, held
from blockfront.results import interval95


@dataclass(frozen=True)
class Box:
    """The corner a hypervolume is bounded by (highest cost, worst value) and the opposite, ideal corner."""

    cost: float
    value: float
    ideal_cost: float
    ideal_value: float

    @property
    def area(self) -> float:
        """Area between the corners, in the unit of the cost times that of the value."""
        return (self.cost - self.ideal_cost) * abs(self.ideal_value - self.value)


@dataclass(frozen=True)
class Lead:
    """Which family has the best value within a budget of cost, and by how much over the next family.

    `margin` and its interval say how much better its value is, in the value's unit; `leads` is the share of resamples
    in which `family` is again the strict leader. `paired` says that resamples were of skeletons that families share.
    """

    budget: float
    family: str
    value: float
    network_id: str
    runner_up: str
    runner_up_value: float
    margin: float
    margin_low: float
    margin_high: float
    leads: float
    paired: bool


def study_box(df: pd.DataFrame, objectives: Objectives = OBJECTIVES) -> Box:
    """The box that spans the study's finished networks; NaN corners when there are none."""
    table = usable(df, objectives.cost, objectives.value)
    if table.empty:
        return Box(math.nan, math.nan, math.nan, math.nan)
    costs, gains = objectives.costs(table), objectives.gains(table)
    worst, best = (objectives.sign * float(gain) for gain in (gains.min(), gains.max()))
    return Box(float(costs.max()), worst, float(costs.min()), best)


def family_table(
    df: pd.DataFrame,
    objectives: Objectives = OBJECTIVES,
    box: Box | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """One row a family, the largest share of the merged front first.

    Columns: family, networks (rows), finished (with cost and value), on_front (networks on the merged
    front), share (on_front over the merged front's size) with share_low and share_high (percentile interval,
    NaN below 5 finished networks in the study), hypervolume (of the family's own front, as a share of `box`,
    by default `study_box`) with hypervolume_low and hypervolume_high (NaN below 5 finished networks of the
    family), paired (whether resamples were of skeletons). Raises UsageError when the rows mix targets or latency
    sources.
    """
    require_comparable(df, objectives.cost, objectives.value)
    rows_of = tidy(df)["family"].value_counts()
    table = usable(df, objectives.cost, objectives.value)
    costs, gains = objectives.costs(table), objectives.gains(table)
    family = table["family"].to_numpy(dtype=str)
    box = box or study_box(df, objectives)
    corner = (box.cost, objectives.sign * box.value)
    drawn = held(table, draws, seed)
    reseeded = drawn_gains(table, objectives, draws, seed)
    drawn_fronts = front_masks(costs, reseeded, drawn)
    sizes = drawn_fronts.sum(axis=1)
    merged = front_mask(costs, gains)
    rows = []
    for name in rows_of.index:
        own = family == name
        on_front = int((merged & own).sum())
        share = on_front / merged.sum() if merged.any() else math.nan
        share_low = share_high = math.nan
        if len(table) >= MIN_NETWORKS:
            share_low, share_high = interval95((drawn_fronts & own).sum(axis=1) / sizes)
        volume, low, high = _volume(costs[own], gains[own], reseeded[:, own], drawn[:, own], corner, box.area)
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
    result = pd.DataFrame(rows, columns=columns).assign(paired=drawn_together(table))
    order = ["share", "hypervolume", "finished", "family"]
    return result.sort_values(order, ascending=[False, False, False, True]).reset_index(drop=True)


def _volume(
    costs: NDArray[np.float64],
    gains: NDArray[np.float64],
    reseeded: NDArray[np.float64],
    drawn: NDArray[np.bool_],
    corner: tuple[float, float],
    area: float,
) -> tuple[float, float, float]:
    """The share of `area` that networks dominate up to `corner` (cost, gain), with its interval."""
    if len(costs) == 0 or not area > 0:
        return (math.nan, math.nan, math.nan)
    volume = hypervolume(np.column_stack([costs, gains]), corner) / area
    if len(costs) < MIN_NETWORKS:
        return (volume, math.nan, math.nan)
    fronts = front_masks(costs, reseeded, drawn)
    pairs = zip(fronts, np.broadcast_to(reseeded, fronts.shape), strict=True)
    volumes = [hypervolume(np.column_stack([costs[mask], values[mask]]), corner) for mask, values in pairs]
    low, high = interval95(np.array(volumes) / area)
    return (volume, min(low, volume), max(high, volume))


def default_budgets(df: pd.DataFrame, objectives: Objectives = OBJECTIVES) -> tuple[float, ...]:
    """The quartiles of the finished networks' costs, rounded to two significant digits of the metric's unit."""
    costs = usable(df, objectives.cost, objectives.value)[objectives.cost]
    if costs.empty:
        return ()
    scale = objectives.metrics[0].scale
    return tuple(sorted({float(f"{cost * scale:.2g}") / scale for cost in np.quantile(costs, (0.25, 0.5, 0.75))}))


def best_at_budgets(
    df: pd.DataFrame,
    budgets: Sequence[float] | None = None,
    objectives: Objectives = OBJECTIVES,
    draws: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Each family's best value within each budget of cost; by default within `default_budgets`.

    Columns: family, budget, candidates (its networks within the budget), value, value_low, value_high,
    network_id and cost of the best network (the cheapest of equals). value is NaN without a candidate, its interval
    below 5 candidates; after one training each, one end of that is the value, since no resample has a better one.
    Raises UsageError when the rows mix targets or latency sources.
    """
    require_comparable(df, objectives.cost, objectives.value)
    table = _by_cost(df, objectives)
    costs, gains = objectives.costs(table), objectives.gains(table)
    family = table["family"].to_numpy(dtype=str)
    drawn = held(table, draws, seed)
    reseeded = drawn_gains(table, objectives, draws, seed)
    rows = []
    for budget in default_budgets(df, objectives) if budgets is None else budgets:
        for name in sorted(set(family)):
            own = np.flatnonzero((family == name) & (costs <= budget))
            if len(own) == 0:
                rows.append((name, budget, 0, math.nan, math.nan, math.nan, "", math.nan))
                continue
            best = own[int(np.argmax(gains[own]))]
            value = objectives.sign * float(gains[best])
            low = high = math.nan
            if len(own) >= MIN_NETWORKS:
                ends = [objectives.sign * end for end in interval95(_best(reseeded[:, own], drawn[:, own]))]
                low, high = min(*ends, value), max(*ends, value)
            found = (table["network_id"][best], float(costs[best]))
            rows.append((name, budget, len(own), value, low, high, *found))
    columns = ["family", "budget", "candidates", "value", "value_low", "value_high", "network_id", "cost"]
    return pd.DataFrame(rows, columns=columns)


def _by_cost(df: pd.DataFrame, objectives: Objectives) -> pd.DataFrame:
    table = usable(df, objectives.cost, objectives.value)
    return table.sort_values([objectives.cost, "network_id"], ignore_index=True)


def _best(gains: NDArray[np.float64], drawn: NDArray[np.bool_]) -> NDArray[np.float64]:
    best = np.where(drawn, gains, -np.inf).max(axis=1)
    return np.where(np.isfinite(best), best, np.nan)


def lead(
    df: pd.DataFrame, budget: float, objectives: Objectives = OBJECTIVES, draws: int = 1000, seed: int = 0
) -> Lead | None:
    """The family of the best value within `budget` of cost, against the next; None if fewer than two qualify.

    Only families with at least 5 networks within the budget qualify: below that a difference says more about
    single networks than about families. The margin's interval is a percentile interval, widened where needed
    to hold the margin. Raises UsageError when the rows mix targets or latency sources.
    """
    table = _by_cost(df, objectives)
    best = best_at_budgets(df, [budget], objectives, draws=1, seed=seed)
    best = best[best["candidates"] >= MIN_NETWORKS]
    if len(best) < 2:
        return None
    best = best.sort_values(["value", "cost"], ascending=[objectives.sign < 0, True], ignore_index=True)
    first, second = best.iloc[0], best.iloc[1]
    drawn = held(table, draws, seed)
    within = (table[objectives.cost] <= budget).to_numpy()
    family, reseeded = table["family"], drawn_gains(table, objectives, draws, seed)
    bests = {}
    for name in best["family"]:
        own = within & (family == name).to_numpy()
        bests[name] = _best(reseeded[:, own], drawn[:, own])
    margin = objectives.sign * float(first["value"] - second["value"])
    low, high = interval95(bests[first["family"]] - bests[second["family"]])
    others = np.vstack([np.nan_to_num(bests[name], nan=-np.inf) for name in best["family"][1:]])
    leads = float((np.nan_to_num(bests[first["family"]], nan=-np.inf) > others.max(axis=0)).mean())
    return Lead(
        budget=float(budget),
        family=str(first["family"]),
        value=float(first["value"]),
        network_id=str(first["network_id"]),
        runner_up=str(second["family"]),
        runner_up_value=float(second["value"]),
        margin=margin,
        margin_low=min(low, margin),
        margin_high=max(high, margin),
        leads=leads,
        paired=drawn_together(table),
    )
