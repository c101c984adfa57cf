"""What `bench rank` says: the answer in a few lines, and the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blockfront.console.tables import latency_header
from blockfront.results import METRICS
from blockfront.results.table import without_nan

if TYPE_CHECKING:
    import pandas as pd

    from blockfront.analysis import Choice

_LATENCY, _TOP1 = METRICS["latency_ms"], METRICS["top1"]


def answer_lines(choice: Choice, frame: pd.DataFrame, budget: float | None) -> list[str]:
    """The answer first, then what stands beside it: the runner-up, what is as accurate and faster, what is nearest."""
    within = "" if budget is None else f" within {budget:.4g} ms"
    asked = _counted(len(frame), "network")
    if choice.best is None:
        lines = [f"none of {asked} runs{within}{_where(frame)}"]
    elif choice.by_value:
        lines = [
            f"{network_name(choice.best)} is the most accurate of {asked}{within}{_where(frame)}: {_told(choice.best)}"
        ]
    else:
        lines = [f"{network_name(choice.best)} is the fastest of {asked}{_where(frame)}: {_told(choice.best)}"]
        lines.append("ranked by latency, because no accuracy is known; give one with --accuracy")
    if budget is not None and choice.best is not None:
        lines += _beyond(choice.best, budget)
        if not choice.by_value:
            lines.append(f"{choice.within} of them run{within}")
    for title, row in (("runner-up", choice.runner_up), ("as accurate, faster", choice.faster)):
        if row is not None:
            lines.append(f"{title:<20} {network_name(row)}: {_told(row, brief=True)}")
        elif title != "runner-up" and choice.by_value and choice.best is not None:
            lines.append(f"{title:<20} none: no other has an accuracy within the first one's 95 % interval")
    if choice.nearest is not None:
        lines.append(f"{'nearest above':<20} {network_name(choice.nearest)}: {_told(choice.nearest, brief=True)}")
    lacking = int((frame["state"] == "complete").sum()) - choice.known
    if choice.by_value and lacking:
        lines.append(f"{lacking} of them left out of that, because their accuracy is not known")
    return lines


def ranking_columns(frame: pd.DataFrame) -> list[str]:
    """Headers of the table."""
    return [
        "network",
        "family",
        "input",
        f"top-1 %{_sources(frame)}",
        latency_header(frame),
        "90 % of such lie in",
        "MACs M",
        "params M",
    ]


def ranking_rows(frame: pd.DataFrame) -> list[list[object]]:
    """Rows of the table, in the order of `ranking_columns`."""
    rows = without_nan(frame.to_dict("records"))
    return [
        [
            network_name(row),
            row["family"],
            "" if row["resolution"] is None else f"{row['resolution']} px",
            _number(row, "top1"),
            _number(row, "latency_ms"),
            _interval(row),
            _number(row, "macs"),
            _number(row, "params"),
        ]
        for row in rows
    ]


def network_name(row: Any) -> str:
    """What a reader calls the network of a row: a known one by its name, another by its id."""
    kind, _, name = str(row["network"]).partition("/")
    return name if kind.partition("_")[0] == "known" else str(row["network_id"])


def _told(row: pd.Series, brief: bool = False) -> str:
    latency = _LATENCY.text(row["latency_ms"])
    accuracy = "" if row["top1"] != row["top1"] else f"{_TOP1.text(row['top1'])} top-1"
    if brief:
        return f"{accuracy} in {latency}" if accuracy else latency
    made_by = row["predictor"] or row["runner"]
    between = _interval(row)
    source = f"{row['latency_source']} by {made_by}{f', 90 % of such lie in {between}' if between else ''}"
    if row["latency_ci95_low_ms"] == row["latency_ci95_low_ms"]:
        source += f", 95 % interval {row['latency_ci95_low_ms']:.3g} to {row['latency_ci95_high_ms']:.3g}"
    told = f"{latency} ({source})"
    if not accuracy:
        return told
    return f"{accuracy} ({row['accuracy_source']}, {row['dataset']}, {row['resolution']:.0f} pixels) in {told}"


def _beyond(row: pd.Series, budget: float) -> list[str]:
    """A line where the interval of the answer's latency reaches above the budget."""
    highs = [row[name] for name in ("predicted90_high_ms", "latency_ci95_high_ms") if row[name] == row[name]]
    if not highs or max(highs) <= budget:
        return []
    return [f"its interval reaches to {max(highs):.3g} ms, above the budget: measure it before you rely on that"]


def _where(frame: pd.DataFrame) -> str:
    row = frame.iloc[0]
    threads = row["threads"]
    return f" on {row['target']}" + ("" if threads != threads else f", {_counted(int(threads), 'thread')}")


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _sources(frame: pd.DataFrame) -> str:
    found = sorted({source for source in frame["accuracy_source"] if source})
    return f" ({', '.join(found)})" if found else ""


def _number(row: Any, key: str) -> str:
    return "" if row[key] is None else METRICS[key].number(row[key])


def _interval(row: Any) -> str:
    low, high = row["predicted90_low_ms"], row["predicted90_high_ms"]
    return "" if low is None or low != low else f"{low:.3g} to {high:.3g}"
