"""A study as a paper has it, in Markdown or LaTeX: a row a network, in columns what networks are compared by."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from blockfront.results import METRICS
from blockfront.results.metric import MISSING, Metric
from blockfront.results.table import network_input, network_name

if TYPE_CHECKING:
    import pandas as pd

_SHARED = (
    "study",
    "target",
    "toolchain",
    "postprocess_toolchain",
    "precision",
    "threads",
    "latency_source",
    "predictor",
    "device",
    "answer",
    "dataset",
)
_WORDS = ("network", "input", "id", "family")
_PERCENTILES = ("latency_p90_ms", "latency_p99_ms")
_SPECIAL = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    **{letter: rf"\text{name}{{}}" for letter, name in {"|": "bar", "<": "less", ">": "greater"}.items()},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "—": "---",
}


def markdown(frame: pd.DataFrame) -> str:
    """What all rows share, and a table as GitHub and pandoc read it."""
    header, rows = _cells(frame)
    escaped = [[_without_markup(cell) for cell in row] for row in (header, *rows)]
    lines = [" | ".join(row) for row in (escaped[0], _alignment(header), *escaped[1:])]
    return "\n".join([_without_markup(caption(frame)), "", *(f"| {line} |" for line in lines), ""])


def latex(frame: pd.DataFrame) -> str:
    """A `table` with a `tabular`, which takes no package."""
    header, rows = _cells(frame)
    lines = [" & ".join(map(_escaped, row)) + r" \\" for row in (header, *rows)]
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{_escaped(caption(frame))}}}",
            rf"\begin{{tabular}}{{{''.join('l' if title in _WORDS else 'r' for title in header)}}}",
            r"\hline",
            lines[0],
            r"\hline",
            *lines[1:],
            r"\hline",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def caption(frame: pd.DataFrame) -> str:
    """What the rows share and a reader must know, such as the target and the latencies' source."""
    facts = []
    for column in _SHARED:
        values = sorted({str(value) for value in frame[column].dropna()} - {""})
        if values:
            facts.append(f"{column.replace('_', ' ')}: {', '.join(values)}")
    return "; ".join(facts)


def _cells(frame: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Header and rows: name or id, what tells equal names apart, family, and every metric that any network has, with
    the interval that it has."""
    columns: list[tuple[str, Callable[[pd.Series], str]]] = [
        ("network", lambda row: _text(network_name(row))),
        *_telling_apart(frame),
        ("family", lambda row: _text(row["family"])),
    ]
    for key, metric in METRICS.items():
        if key in frame and frame[key].notna().any():
            columns.append((metric.title, _number(metric)))
        if key == "latency_ms":
            latency = metric
            columns += [
                (f"{name.split('_')[1]} ({metric.unit})", _plain(name, latency))
                for name in _PERCENTILES
                if frame[name].notna().any()
            ]
    return [title for title, _ in columns], [[cell(row) for _, cell in columns] for _, row in frame.iterrows()]


def _telling_apart(frame: pd.DataFrame) -> list[tuple[str, Callable[[pd.Series], str]]]:
    """The input where networks of one name take several, and the id where that leaves some alike."""
    columns: list[tuple[str, Callable[[pd.Series], str]]] = [
        ("input", lambda row: _text(network_input(row))),
        ("id", lambda row: _text(row["network_id"])),
    ]
    chosen: list[tuple[str, Callable[[pd.Series], str]]] = []
    alike: list[tuple[str, ...]] = [(network_name(row),) for _, row in frame.iterrows()]
    for title, cell in columns:
        told = [(*known, cell(row)) for known, (_, row) in zip(alike, frame.iterrows(), strict=True)]
        if len(set(told)) > len(set(alike)):
            chosen.append((title, cell))
            alike = told
    return chosen


def _number(metric: Metric) -> Callable[[pd.Series], str]:
    def cell(row: pd.Series) -> str:
        text = _plain(metric.key, metric)(row)
        ends = [_plain(end, metric)(row) for end in metric.interval or ()]
        return text if not ends or MISSING in ends else f"{text} ({ends[0]} to {ends[1]})"

    return cell


def _plain(column: str, metric: Metric) -> Callable[[pd.Series], str]:
    return lambda row: MISSING if row.isna()[column] else metric.number(float(row[column]))


def _text(value: object) -> str:
    return value if isinstance(value, str) else MISSING


def _alignment(header: Sequence[str]) -> Sequence[str]:
    return ["---" if title in _WORDS else "---:" for title in header]


def _escaped(text: str) -> str:
    return re.sub("|".join(map(re.escape, _SPECIAL)), lambda found: _SPECIAL[found[0]], text)


def _without_markup(text: str) -> str:
    return re.sub(r"[\\|<*`\[&~]", r"\\\g<0>", text)
