"""What there is to say of the network that was chosen among known ones: the answer in a few lines."""

from __future__ import annotations

import pandas as pd

from blockfront.analysis.choice import Choice
from blockfront.analysis.figure_style import predicted_between, source_words
from blockfront.plurals import counted
from blockfront.results import METRICS
from blockfront.results.table import network_name

_LATENCY, _TOP1 = METRICS["latency_ms"], METRICS["top1"]


def answer_lines(choice: Choice, networks: pd.DataFrame, budget: float | None = None) -> list[str]:
    """The answer first, then the runner-up, what is as accurate and faster, what is nearest above the budget in ms.

    `networks` is the tidy table that the choice was made of.
    """
    within = "" if budget is None else f" within {budget:.4g} ms"
    asked = f"{counted(len(networks), 'network')}{within}{_where(networks.iloc[0])}"
    best = choice.best
    if best is None:
        lines = [f"None of {asked}."]
    elif choice.by_value:
        lines = [f"{network_name(best)} is the most accurate of {asked}: {_told(best)}."]
    else:
        lines = [f"{network_name(best)} is the fastest of {asked}: {_told(best)}."]
        lines.append("Ranked by latency, because no accuracy is known; give one with --accuracy.")
    if best is not None and budget is not None:
        lines += _beyond(best, budget)
        lines += [] if choice.by_value else [f"{choice.within} of them run{within}."]
    lines += _beside("Runner-up", choice.runner_up)
    if choice.by_value and best is not None:
        known = best["top1_ci95_low"] == best["top1_ci95_low"]
        alike = "As accurate, within its 95 % interval, and faster" if known else "As accurate and faster"
        lines += _beside(alike, choice.faster) or [f"{alike}: none."]
    lines += _beside("Nearest above the budget", choice.nearest)
    unknown = int((networks["state"] == "complete").sum()) - choice.known
    if choice.by_value and unknown:
        lines.append(f"Left out of this, because their accuracy is not known: {counted(unknown, 'network')}.")
    return lines


def _beside(title: str, row: pd.Series | None) -> list[str]:
    if row is None:
        return []
    accuracy = f"{_TOP1.text(row['top1'])} in " if row["top1"] == row["top1"] else ""
    return [f"{title}: {network_name(row)}, {accuracy}{_LATENCY.text(row['latency_ms'])}."]


def _told(row: pd.Series) -> str:
    """Accuracy and latency with their intervals and sources."""
    low, high = row["latency_ci95_low_ms"], row["latency_ci95_high_ms"]
    between = predicted_between(row) or (f"95 % interval {low:.3g} to {high:.3g} ms" if low == low else "")
    latency = f"{_LATENCY.text(row['latency_ms'])} ({', '.join(filter(None, (source_words(row), between)))})"
    if row["top1"] != row["top1"]:
        return latency
    low, high = row["top1_ci95_low"], row["top1_ci95_high"]
    interval = f", 95 % interval {_TOP1.number(low)} to {_TOP1.number(high)}" if low == low else ""
    source = f"{row['accuracy_source']}: {row['dataset']}{interval}"
    return f"{_TOP1.text(row['top1'])} top-1 ({source}) in {latency}"


def _beyond(row: pd.Series, budget: float) -> list[str]:
    """A line where the interval of the answer's latency reaches above the budget."""
    high = row[["predicted90_high_ms", "latency_ci95_high_ms"]].max()
    if not high > budget:
        return []
    return [f"Its interval reaches to {_LATENCY.text(high)}, above the budget: measure it before you rely on it."]


def _where(row: pd.Series) -> str:
    threads = "" if row["threads"] != row["threads"] else f", {counted(int(row['threads']), 'thread')}"
    return f" on {row['target']}{threads}"
