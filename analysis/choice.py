"""The network to take: the most accurate one within a budget of latency, and what stands beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from blockfront.analysis.frame import require_comparable, usable
from blockfront.analysis.metrics import OBJECTIVES, Objectives, intervals


@dataclass(frozen=True)
class Choice:
    """Rows of a table of networks, as `choose_network` finds them; None where there is no such network.

    `best` has the best value of the `within` networks whose cost is at most the budget, `runner_up` the next best, and
    `faster` the least cost of those whose value lies within the 95 % interval of the best one's or is better. `nearest`
    costs least of those above the budget.
    """

    best: pd.Series | None
    runner_up: pd.Series | None
    faster: pd.Series | None
    nearest: pd.Series | None
    within: int
    known: int
    by_value: bool


def choose_network(df: pd.DataFrame, budget: float = np.inf, objectives: Objectives = OBJECTIVES) -> Choice:
    """What to take of the networks in a table, of equal value the cheaper; `known` is how many have what it takes.

    Without any value they are ranked by cost alone: the best costs least, whatever the budget. Raises UsageError when
    the rows mix targets or sources of what they are weighed by.
    """
    require_comparable(df, objectives.cost, objectives.value)
    table = usable(df, objectives.cost, objectives.value)
    by_value = len(table) > 0
    if not by_value:
        table = usable(df, objectives.cost)
    table["gain"] = objectives.gains(table) if by_value else -objectives.costs(table)
    table = table.sort_values(["gain", objectives.cost, "network_id"], ascending=[False, True, True])
    fits = table[objectives.cost] <= budget
    inside, outside = table[fits], table[~fits].sort_values(objectives.cost)
    best = _first(inside)
    return Choice(
        best=best,
        runner_up=_first(inside[1:]),
        faster=_faster(inside, objectives) if by_value and best is not None else None,
        nearest=_first(outside),
        within=len(inside),
        known=len(table),
        by_value=by_value,
    )


def _faster(inside: pd.DataFrame, objectives: Objectives) -> pd.Series | None:
    """The cheapest of the networks that are as good as the first one as far as its interval tells, if it is another."""
    low, high = intervals(objectives.metrics[1], inside)[0]
    least = objectives.sign * (low if objectives.sign > 0 else high)
    alike = inside[inside["gain"] >= (least if np.isfinite(least) else inside["gain"].iloc[0])].sort_values(
        [objectives.cost, "network_id"]
    )
    return None if alike.index[0] == inside.index[0] else _first(alike)


def _first(rows: pd.DataFrame) -> pd.Series | None:
    return None if rows.empty else rows.iloc[0]
