"""What there is to say of the network that was chosen among known ones: the answer in a few lines."""

from __future__ import annotations

import numpy as np
import pandas as pd

from blockfront.analysis.choice import Choice
from blockfront.analysis.figure_style import predicted_between, source_words
from blockfront.analysis.metrics import OBJECTIVES, Objectives, intervals
from blockfront.plurals import counted
from blockfront.results import METRICS, Metric
from blockfront.results.table import network_name

_LATENCY = METRICS["latency_ms"]


def answer_lines(
    choice: Choice, networks: pd.DataFrame, budget: float | None = None, objectives: Objectives = OBJECTIVES
) -> list[str]:
    """The answer first, then the runner-up, what is as accurate and faster, what is nearest above the budget in ms.

    `networks` is the tidy table that the choice was made of, by `objectives` of a latency, with post-processing or
    without, and an accuracy.
    """
    cost, value = objectives.metrics
    within = "" if budget is None else f" within {budget:.4g} ms"
    asked = f"{counted(len(networks), 'network')}{within}{_where(networks.iloc[0])}"
    best = choice.best
    if best is None:
        lines = [f"None of {asked}."]
    elif choice.by_value:
        lines = [f"{network_name(best)} is the most accurate of {asked}: {_told(best, cost, value)}."]
    else:
        lines = [f"{network_name(best)} is the fastest of {asked}: {_told(best, cost, value)}."]
        lines.append("Ranked by latency, because no accuracy is known; give one with --accuracy.")
    if best is not None and budget is not None:
        lines += _beyond(best, cost, budget)
        lines += [] if choice.by_value else [f"{choice.within} of them run{within}."]
    lines += _beside("Runner-up", choice.runner_up, cost, value)
    if choice.by_value and best is not None:
        known = np.isfinite(_interval(best, value)).all()
        alike = "As accurate, within its 95 % interval, and faster" if known else "As accurate and faster"
        lines += _beside(alike, choice.faster, cost, value) or [f"{alike}: none."]
    lines += _beside("Nearest above the budget", choice.nearest, cost, value)
    unknown = int((networks["state"] == "complete").sum()) - choice.known
    if choice.by_value and unknown:
        lines.append(f"Left out of this, because their accuracy is not known: {counted(unknown, 'network')}.")
    return lines


def _beside(title: str, row: pd.Series | None, cost: Metric, value: Metric) -> list[str]:
    if row is None:
        return []
    accuracy = f"{value.text(row[value.key])} in " if row[value.key] == row[value.key] else ""
    return [f"{title}: {network_name(row)}, {accuracy}{cost.text(row[cost.key])}."]


def _interval(row: pd.Series, value: Metric) -> tuple[float, float]:
    low, high = intervals(value, row.to_frame().T)[0]
    return low, high


def _told(row: pd.Series, cost: Metric, value: Metric) -> str:
    """Accuracy and latency with their intervals and sources."""
    low, high = row["latency_ci95_low_ms"], row["latency_ci95_high_ms"]
    between = predicted_between(row) or (f"95 % interval {low:.3g} to {high:.3g} ms" if low == low else "")
    latency = f"{_LATENCY.text(row['latency_ms'])} ({', '.join(filter(None, (source_words(row), between)))})"
    if cost is not _LATENCY:
        latency = f"{cost.text(row[cost.key])} from image to boxes, of which its latency is {latency}"
    if row[value.key] != row[value.key]:
        return latency
    low, high = _interval(row, value)
    interval = f", 95 % interval {value.number(low)} to {value.number(high)}" if low == low else ""
    source = f"{row['accuracy_source']}: {row['dataset']}{interval}"
    return f"{value.text(row[value.key])} {value.short} ({source}) in {latency}"


def _beyond(row: pd.Series, cost: Metric, budget: float) -> list[str]:
    """A line where the interval of the answer's latency reaches above the budget, with what follows it."""
    high = row[["predicted90_high_ms", "latency_ci95_high_ms"]].max() + row[cost.key] - row["latency_ms"]
    if not high > budget:
        return []
    return [f"Its interval reaches to {cost.text(high)}, above the budget: measure it before you rely on it."]


def _where(row: pd.Series) -> str:
    threads = "" if row["threads"] != row["threads"] else f", {counted(int(row['threads']), 'thread')}"
    return f" on {row['target']}{threads}"
