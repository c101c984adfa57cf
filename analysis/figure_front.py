"""One metric against another, such as accuracy against latency: networks, families' fronts, the merged front."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from blockfront.analysis.figure_style import (
    INK,
    TEMPLATE,
    Look,
    axis_title,
    families_of,
    family_looks,
    hover_texts,
    safe,
    spans_decade,
    ticks,
)
from blockfront.analysis.frame import require_comparable, split_sources, usable
from blockfront.analysis.metrics import OBJECTIVES, intervals
from blockfront.analysis.pareto import front
from blockfront.analysis.precision import PLAIN
from blockfront.plurals import counted
from blockfront.results import METRICS

# Ring and dash of the first source's merged front, the second's, the third's.
MERGED_LOOKS = (("circle-open", "solid"), ("square-open", "dash"), ("diamond-open", "dot"))


@dataclass(frozen=True)
class _Points:
    """Networks in the plot's units; `spread` is how far y's interval reaches down and up, NaN if unknown."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    hover: tuple[str, ...]
    spread: tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class _Group:
    """One family's networks of one latency source and number format, and their own front. `strength`: from 0 for the
    format of training, beside others, to 1."""

    family: str
    source: str
    key: str
    strength: float
    label: str
    look: Look
    points: _Points
    front: _Points


@dataclass(frozen=True)
class _FrontInfo:
    groups: tuple[_Group, ...]
    merged: tuple[tuple[str, _Points], ...]
    legend_title: str
    x_title: str
    y_title: str
    sign: int
    """y's, as `Metric.sign`."""


def _points(table: pd.DataFrame, x: str, y: str) -> _Points:
    values = table[y].to_numpy() * METRICS[y].scale
    low, high = intervals(METRICS[y], table).T * METRICS[y].scale
    return _Points(
        x=tuple(table[x] * METRICS[x].scale),
        y=tuple(values),
        hover=hover_texts(table, x, y),
        spread=(tuple(values - low), tuple(high - values)),
    )


def _get_front_info(df: pd.DataFrame, x: str, y: str, families: Iterable[str] | None) -> _FrontInfo:
    looks = family_looks(families_of(df) if families is None else [*families, *families_of(df)])
    timed = next((key for key in (x, y) if METRICS[key].depends_on == "target"), "")
    sources = {name: usable(rows, x, y) for name, rows in _parts(df, timed or x).items()}
    sources = {name: rows for name, rows in sources.items() if len(rows)}
    formats = {name: set(rows["precision"]) for name, rows in sources.items()}
    order = sorted(set().union(*formats.values()), key=lambda form: (form != PLAIN, form))
    mixed = len(sources) > 1
    groups, merged = [], []
    for source, rows in sources.items():
        require_comparable(rows, x, y)
        suffix = f" ({source})" if mixed else ""
        for family in sorted(set(rows["family"])):
            own = rows[rows["family"] == family]
            label = safe(family + suffix)
            curves = (_points(own, x, y), _points(front(own, x, y), x, y))
            strength = max(map(order.index, formats[source])) / (len(order) - 1) if len(order) > 1 else 1.0
            made_by = str(rows["latency_source"].iloc[0])
            groups.append(_Group(family, made_by, f"{family} {source}", strength, label, looks[family], *curves))
        merged.append((f"merged front{suffix}", _points(front(rows, x, y), x, y)))
    title = "" if mixed or not sources else "family"
    if title and timed:
        title += f" ({METRICS[timed].label} {next(iter(sources))})"
    return _FrontInfo(tuple(groups), tuple(merged), title, axis_title(df, x), axis_title(df, y), METRICS[y].sign)


def _parts(df: pd.DataFrame, metric: str) -> dict[str, pd.DataFrame]:
    """`split_sources`, each source's number formats apart where there are several."""
    found = {}
    for source, rows in split_sources(df, metric).items():
        formats = sorted(set(rows["precision"])) if source else []
        for form in formats if len(formats) > 1 else [""]:
            name = f"{source}, {form}" if form else source
            found[name] = rows[rows["precision"] == form] if form else rows
    return found


def _toggle(axis: str, place: int, log: bool, values: Sequence[float]) -> dict[str, object]:
    buttons = []
    for scale in ("linear", "log"):
        settings = {f"{axis}axis.{key}": value for key, value in ticks(scale == "log", values).items()}
        settings[f"{axis}axis.autorange"] = True
        buttons.append({"label": f"{axis}: {scale}", "method": "relayout", "args": [settings]})
    return {
        "type": "buttons",
        "direction": "right",
        "buttons": buttons,
        "active": int(log),
        "showactive": True,
        "x": 0,
        "xanchor": "left",
        "y": 1,
        "yanchor": "bottom",
        "pad": {"b": 8, "l": place, "t": 0, "r": 0},
        "font": {"size": 11},
        "bgcolor": "white",
        "bordercolor": "#d0d7de",
    }


def _window(gains: Sequence[float]) -> tuple[float, float] | None:
    """The part of the y axis to begin with, when a few gains far below the rest would flatten it; else None.

    Nine tenths of the networks fill two thirds of it.
    """
    if len(gains) < 10:
        return None
    low, high = float(np.quantile(gains, 0.1)), max(gains)
    bottom = low - 0.5 * (high - low)
    return None if bottom <= min(gains) or low == high else (bottom, high + 0.08 * (high - bottom))


def _beyond(count: int, sign: int) -> dict[str, object]:
    """The note that some networks lie under the axis or, where little is good, over it."""
    networks = "1 network lies" if count == 1 else f"{counted(count, 'network')} lie"
    return {
        "text": f"{networks} {'below' if sign > 0 else 'above'}: double-click to see all",
        "xref": "paper",
        "yref": "paper",
        "x": 1,
        "y": 0 if sign > 0 else 1,
        "xanchor": "right",
        "yanchor": "bottom" if sign > 0 else "top",
        "showarrow": False,
        "font": {"size": 11, "color": "#57606a"},
    }


def _plot_front(info: _FrontInfo) -> go.Figure:
    figure = go.Figure()
    xs = [value for group in info.groups for value in group.points.x]
    ys = [value for group in info.groups for value in group.points.y]
    gains = [info.sign * value for value in ys]
    log, window = spans_decade(xs), _window(gains)
    shown = {"range": sorted(info.sign * end for end in window)} if window else {}
    for label, points in info.merged:
        figure.add_scatter(
            x=points.x,
            y=points.y,
            mode="lines",
            line={"shape": "hv", "color": "rgba(31,35,40,0.16)", "width": 8},
            name=label,
            legendgroup=label,
            hoverinfo="skip",
            showlegend=False,
        )
    for group in info.groups:
        figure.add_scatter(
            x=group.front.x,
            y=group.front.y,
            mode="lines",
            line={"shape": "hv", "color": group.look.colour, "width": 1.4, "dash": group.look.dash},
            opacity=0.3 + 0.35 * group.strength,
            name=group.label,
            legendgroup=group.key,
            hoverinfo="skip",
            showlegend=False,
        )
        figure.add_scatter(
            x=group.points.x,
            y=group.points.y,
            mode="markers",
            marker=group.look.point(group.source),
            opacity=0.35 + 0.5 * group.strength,
            name=group.label,
            legendgroup=group.key,
            hovertext=group.points.hover,
            hovertemplate="%{hovertext}<extra></extra>",
        )
    for (label, points), (ring, dash) in zip(info.merged, cycle(MERGED_LOOKS)):
        figure.add_scatter(
            x=points.x,
            y=points.y,
            mode="lines+markers",
            line={"shape": "hv", "color": INK, "width": 1.2, "dash": dash},
            marker={"symbol": ring, "size": 14, "color": INK, "line": {"width": 1.2}},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": points.spread[1],
                "arrayminus": points.spread[0],
                "color": "rgba(31,35,40,0.35)",
                "thickness": 1,
                "width": 0,
            },
            name=label,
            legendgroup=label,
            hoverinfo="skip",
        )
    figure.update_layout(
        template=TEMPLATE,
        xaxis={"title": {"text": info.x_title}, **ticks(log, xs)},
        yaxis={"title": {"text": info.y_title}, **shown},
        legend={"title": {"text": safe(info.legend_title), "font": {"size": 12}}},
        hovermode="closest",
        updatemenus=[_toggle("x", 0, log, xs), _toggle("y", 136, False, ys)],
        meta={"figure": "front"},
    )
    if window:
        figure.add_annotation(_beyond(sum(gain < window[0] for gain in gains), info.sign))
    return figure


def plot_front(
    df: pd.DataFrame, x: str = OBJECTIVES.cost, y: str = OBJECTIVES.value, families: Iterable[str] | None = None
) -> go.Figure:
    """Networks by family with each family's front as a step line and the merged front in black.

    Rings mark the merged front, whiskers the 95 % intervals of `y` where it has some. Latency sources are never merged:
    each has its own fronts, legend entries and markers (filled: measured, open: predicted, dotted: simulated). Nor are
    number formats: beside others float32 is pale, and a second of three between.
    `families` fixes which family gets which colour, so that several figures agree; by default the table's own. Rows
    without `x` or `y` are left out. Raises UsageError for an unknown metric or several targets.
    """
    for key in (x, y):
        METRICS[key]
    return _plot_front(_get_front_info(df, x, y, families))
