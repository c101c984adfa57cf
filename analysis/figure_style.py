"""What all figures share: each family's colour-blind-safe look, a white template, hovers, axis titles."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from blockfront.analysis.frame import SOURCES, tidy
from blockfront.analysis.metrics import OBJECTIVES, intervals
from blockfront.results import METRICS, MISSING, Metric

# Okabe and Ito's set without yellow and black, plus two of Paul Tol's: told apart with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#E69F00", "#56B4E9", "#882255", "#7F7F3F")
SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "triangle-down",
    "pentagon",
    "hexagon",
    "star",
    "cross",
)
DASHES = ("solid", "dot", "dash")
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
INK = "#1f2328"
MUTED = "#57606a"
GRID = "#eaeef2"
SOURCE_FILL = {"measured": "", "measured elsewhere": "-dot", "predicted": "-open", "simulated": "-open-dot"}
MADE_BY = {"measured elsewhere": "toolchain"}
"""The column that says by what a latency was found, where that is not its runner."""


@dataclass(frozen=True)
class Look:
    """How one family is drawn; colour and symbol together are unique for up to 72 families."""

    colour: str
    symbol: str
    dash: str

    def marker(self, source: str) -> str:
        """Plotly's symbol name: filled when measured, open when predicted; a dot in it when elsewhere, or simulated."""
        return self.symbol + SOURCE_FILL.get(source, "-open")

    def point(self, source: str) -> dict[str, object]:
        """Plotly's marker of one network in a scatter."""
        return {
            "color": self.colour,
            "symbol": self.marker(source),
            "size": 8,
            "line": {"width": 1.5 if source != "measured" else 0.5, "color": self.colour},
        }


def family_looks(families: Iterable[str]) -> dict[str, Look]:
    """A look for each family, by its place in the sorted names."""
    names = sorted(set(families))
    return {
        name: Look(COLOURS[i % len(COLOURS)], SYMBOLS[i % len(SYMBOLS)], DASHES[i // len(COLOURS) % len(DASHES)])
        for i, name in enumerate(names)
    }


def families_of(df: pd.DataFrame) -> list[str]:
    """The families in the table, sorted; networks without one are "unknown"."""
    return sorted(set(tidy(df)["family"]))


def safe(text: object) -> str:
    """Text for plotly, which reads a little HTML in labels and hovers: tags in it show as written."""
    return html.escape(str(text), quote=False)


def wrap(text: str, width: int = 44) -> str:
    """`text` in lines of about `width` characters, broken after "/" where it can be."""
    lines = [""]
    parts = text.split("/")
    for i, part in enumerate(parts):
        piece = part + ("/" if i < len(parts) - 1 else "")
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        while len(piece) > width:
            lines[-1], piece = piece[:width], piece[width:]
            lines.append("")
        lines[-1] += piece
    return "<br>".join(safe(line) for line in lines if line)


def ticks(log: bool, values: Iterable[float]) -> dict[str, object]:
    """Axis settings: on a log axis ticks at round numbers, closer together when `values` span little."""
    if not log:
        return {"type": "linear", "tickmode": "auto"}
    positive = [value for value in values if value > 0]
    ratio = max(positive) / min(positive) if positive else 1
    steps: tuple[float, ...] = (1, 2, 5)
    if ratio < 3:
        steps = (1, 1.2, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9)
    elif ratio < 12:
        steps = (1, 1.5, 2, 3, 5, 7)
    marks = [float(f"{step * 10.0**power:.2g}") for power in range(-4, 7) for step in steps]
    texts = [f"{mark:,g}" for mark in marks]
    return {"type": "log", "tickmode": "array", "tickvals": marks, "ticktext": texts, "tickangle": 0}


def spans_decade(values: Iterable[float]) -> bool:
    """Whether positive `values` differ so much (8 times) that a log axis shows them better."""
    positive = [value for value in values if value > 0]
    return bool(positive) and max(positive) > 8 * min(positive)


def source_words(row: pd.Series) -> str:
    """The latency's source as a reader needs it, such as "measured" or "predicted by emulated, median error 7%".

    Where the latency is none of those that the error was found on, the words say so.
    """
    source = row["latency_source"] or "unknown source"
    maker = row["predictor"] or (row[MADE_BY.get(source, "runner")] if source != "measured" else "")
    words = f"{source} by {maker}" if maker and source in SOURCES else source
    error = row["prediction_error"]
    elsewhere = " where it was judged" if row["prediction_outside"] else ""
    return f"{words}, median error {error:.0%}{elsewhere}" if error == error else words


def predicted_between(row: pd.Series) -> str:
    """The interval that is meant to hold a predicted latency nine times in ten; empty where there is none."""
    low, high = row["predicted90_low_ms"], row["predicted90_high_ms"]
    return f"90 % of such lie in {low:.3g} to {high:.3g} ms" if low == low else ""


def axis_title(df: pd.DataFrame, key: str) -> str:
    """Axis title of any metric; accuracy names its data set, latency and energy their target and source.

    Such as "latency on rk3399 (ms, predicted by roofline)".
    """
    metric = METRICS[key]
    if metric.depends_on == "target":
        return _target_title(df, metric)
    datasets = sorted(set(tidy(df)["dataset"]) - {""}) if metric.depends_on == "dataset" else []
    where = f" on {', '.join(datasets)}" if datasets else ""
    return safe(f"{metric.label}{where} ({metric.unit})")


def _target_title(df: pd.DataFrame, metric: Metric) -> str:
    table = tidy(df)
    table = table[table[metric.key].notna()]
    targets = sorted(set(table["target"]) - {""})
    sources = sorted({source_words(row) for _, row in table.iterrows()})
    threads = sorted({int(n) for n in table["threads"].dropna()})
    where = f" on {', '.join(targets)}" if targets else ""
    unit = f"({metric.unit}{''.join(', ' + source for source in sources)})"
    wide = len(where) + len(unit) > 44
    first = f"{metric.label}{safe(where)}{'<br>' if wide else ' '}{safe(unit)}"
    if not threads:
        return f"{first}<br>batch 1"
    noun = "thread" if threads == [1] else "threads"
    return f"{first}<br>batch 1, {' or '.join(map(str, threads))} {noun}"


def timed_by(row: pd.Series) -> str:
    """The latency's source and, where it was measured, the device."""
    where = f" on {row['device'] or row['target']}" if row["latency_source"] == "measured" else ""
    return source_words(row) + where


def hover_texts(rows: pd.DataFrame, *shown: str) -> tuple[str, ...]:
    """All about each network of a tidy table: text, id, family, metrics with interval and source, sizes.

    `shown` are the metrics that the figure is about; the default objectives and other metrics that hold for one target
    are told where a network has them.
    """
    told = [
        key
        for key in METRICS
        if key in shown or key in (OBJECTIVES.cost, OBJECTIVES.value) or METRICS[key].depends_on == "target"
    ]
    bounds = {key: intervals(METRICS[key], rows) for key in told}
    return tuple(
        _hover(row, {key: bounds[key][place] for key in told if key in shown or math.isfinite(row[key])})
        for place, (_, row) in enumerate(rows.iterrows())
    )


def _hover(row: pd.Series, bounds: Mapping[str, Sequence[float]]) -> str:
    told = []
    source = timed_by(row)
    for key, (low, high) in bounds.items():
        metric = METRICS[key]
        text = f"{metric.short} {metric.text(row[key])}"
        if math.isfinite(low) and math.isfinite(high):
            text += f" [{metric.number(low)}, {metric.number(high)}]"
        if metric.depends_on == "target" and source:
            text, source = f"{text}, {source}", ""
        elif metric.depends_on == "dataset" and row["accuracy_source"]:
            text += f" ({row['accuracy_source']})"
        told.append(safe(text))
    error = row["max_rel_error"] if math.isfinite(row["max_rel_error"]) else row["max_abs_error"]
    kind = "relative" if math.isfinite(row["max_rel_error"]) else "absolute"
    sizes = {
        key: f"{METRICS[key].label} {METRICS[key].text(row[key])}"
        for key in ("macs", "params", "activations", "peak_memory_bytes")
        if key not in bounds
    }
    lines = [
        f"<b>{safe(row['family'])}</b>  {safe(row['network_id'])}",
        wrap(row["network"]),
        *told,
        "  ".join(sizes[key] for key in ("macs", "params") if key in sizes),
        *(sizes[key] for key in ("activations", "peak_memory_bytes") if key in sizes),
        f"max {kind} error against torch {f'{error:.1e}' if math.isfinite(error) else MISSING}",
    ]
    return "<br>".join(line for line in lines if line)


def _template() -> go.layout.Template:
    axis = {
        "gridcolor": GRID,
        "linecolor": "#8c959f",
        "showline": True,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": "#8c959f",
        "automargin": True,
        "title": {"font": {"size": 13, "color": MUTED}, "standoff": 8},
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 13, "color": INK},
            "paper_bgcolor": "white",
            "plot_bgcolor": "white",
            "xaxis": axis,
            "yaxis": axis,
            "margin": {"l": 56, "r": 16, "t": 48, "b": 60},
            "hoverlabel": {
                "bgcolor": "white",
                "bordercolor": "#8c959f",
                "align": "left",
                "font": {"family": FONT, "size": 12, "color": INK},
            },
            "legend": {"font": {"size": 12}, "tracegroupgap": 2},
        }
    )


TEMPLATE = _template()
