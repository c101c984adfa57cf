"""What the commands print; text from outside is never read as markup."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from blockfront.console.documents import output
from blockfront.plurals import counted
from blockfront.results import METRICS
from blockfront.results.table import without_nan

if TYPE_CHECKING:
    import pandas as pd

_PIPE_WIDTH = 160


def print_json(document: Any) -> None:
    """One JSON document on standard output; NaN and infinities become null."""
    print(json.dumps(without_nan(document), indent=2, ensure_ascii=False, allow_nan=False), file=output())


def console() -> Console:
    """Standard output; lines are not cut to 80 columns where it is no terminal."""
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(width=width, markup=False, highlight=False, soft_wrap=False)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """A table whose numeric cells stand right."""
    rows = [[cell if cell is not None else "" for cell in row] for row in rows]
    table = Table(title=None if title is None else Text(title), title_justify="left", box=None, pad_edge=False)
    for i, column in enumerate(columns):
        numeric = bool(rows) and all(_is_number(row[i]) for row in rows)
        table.add_column(Text(column, style="bold"), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console().print(table)


def _is_number(cell: object) -> bool:
    try:
        float(str(cell))
    except ValueError:
        return False
    return True


def print_line(line: str = "") -> None:
    """One line on standard output, as it is."""
    console().print(line, soft_wrap=True)


def print_visits(visits: Sequence[Mapping[str, Any]]) -> None:
    """One line a visit: on which device, and what is known of the state it was in."""
    for i, visit in enumerate(visits, 1):
        known = "".join(f"; {label}: {text}" for label, text in visit["conditions"].items())
        print_line(f"visit {i}      {counted(len(visit['samples_ms']), 'sample')} on {visit['device']}{known}")


def latency_header(frame: pd.DataFrame) -> str:
    """Header of the latency column, with the source of the figures: latency ms (predicted, roofline).

    A known error of a prediction stands there too.
    """
    rows = frame[frame["latency_ms"].notna()]
    sources = sorted({(str(r.latency_source), _by(r)) for r in rows.itertuples()})
    if not sources:
        return "latency ms"
    return "latency ms (" + "; ".join(", ".join(part for part in pair if part) for pair in sources) + ")"


def error_line(row: Mapping[str, Any]) -> str:
    """What is known of a prediction's error, of a row that has a `prediction_basis`."""
    if row["prediction_error"] is None:
        return f"unknown; {row['prediction_basis']}"
    names = "prediction_error", "prediction_error_p90", "prediction_within_tenth"
    median, p90, within = ("-" if row[name] is None else f"{row[name]:.0%}" for name in names)
    return f"median {median}, 90th percentile {p90}, {within} within 10 %, of {row['prediction_basis']}"


def interval_line(row: Mapping[str, Any]) -> str | None:
    """Between what a predicted latency is meant to lie, and what it was not judged on; None where nothing is known."""
    if row["predicted90_low_ms"] is None:
        return None
    because = f"; wider because {row['prediction_outside']}" if row["prediction_outside"] else ""
    return f"{row['predicted90_low_ms']:.4g} to {row['predicted90_high_ms']:.4g} ms, meant to hold 90 %{because}"


def front_rows(front: pd.DataFrame, cost: str = "latency_ms", value: str = "top1") -> list[list[object]]:
    """Rows of the front's table, in the order of `front_columns`."""
    shown, predicted = _shown(front, cost, value), _has_intervals(front)
    return [
        [
            str(row["network_id"]),
            str(row["family"]),
            f"{row['latency_ms']:.3g}",
            *[_interval(row)] * predicted,
            *("" if row[key] is None else METRICS[key].number(row[key]) for key in shown),
            *(METRICS[key].number(row[key]) for key in ("macs", "params")),
        ]
        for row in without_nan(front.to_dict("records"))
    ]


def front_columns(front: pd.DataFrame, cost: str = "latency_ms", value: str = "top1") -> list[str]:
    """Headers of the front's table: latency, and of energy and what networks are weighed by what there is."""
    shown = [f"{METRICS[key].short} {METRICS[key].unit}" for key in _shown(front, cost, value)]
    intervals = ["90 % of such lie in"] * _has_intervals(front)
    return ["network", "family", latency_header(front), *intervals, *shown, "MACs M", "params M"]


def _has_intervals(frame: pd.DataFrame) -> bool:
    return bool(frame["predicted90_low_ms"].notna().any())


def _shown(frame: pd.DataFrame, cost: str, value: str) -> list[str]:
    """The columns between latency and sizes, but those that no row has."""
    others = [key for key in ("energy_mj", cost, value) if key not in ("latency_ms", "macs", "params")]
    return [key for key in dict.fromkeys(others) if frame[key].notna().any()]


def failures_by_reason(frame: pd.DataFrame) -> dict[str, int]:
    """Reason to how many networks failed for it, the commonest first."""
    failed = frame.loc[frame["state"] == "failed", "error"]
    return dict(Counter(str(reason) for reason in failed).most_common())


def _by(row: Any) -> str:
    predictor = row.predictor if isinstance(row.predictor, str) else ""
    error = f", median error {row.prediction_error:.0%}" if row.prediction_error == row.prediction_error else ""
    elsewhere = " where it was judged" if error and isinstance(row.prediction_outside, str) else ""
    return f"{predictor or row.runner}{error}{elsewhere}"


def _interval(row: Mapping[str, Any]) -> str:
    low, high = row["predicted90_low_ms"], row["predicted90_high_ms"]
    return "" if low is None else f"{low:.3g} to {high:.3g}"
