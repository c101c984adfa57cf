"""A cost against MACs, with how well each proxy ranks networks by it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from blockfront.analysis.correlation import rank_correlations
from blockfront.analysis.figure_style import (
    MUTED,
    TEMPLATE,
    Look,
    axis_title,
    families_of,
    family_looks,
    hover_texts,
    safe,
    ticks,
)
from blockfront.analysis.frame import usable
from blockfront.analysis.metrics import OBJECTIVES, Objectives
from blockfront.plurals import counted
from blockfront.results import METRICS, MISSING


@dataclass(frozen=True)
class _Family:
    label: str
    look: Look
    source: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    hover: tuple[str, ...]


@dataclass(frozen=True)
class _CorrelationInfo:
    families: tuple[_Family, ...]
    band: tuple[float, float] | None
    summary: str
    x_title: str
    y_title: str
    legend_title: str


def _summary(table: pd.DataFrame) -> str:
    both = {band: rows.set_index("proxy") for band, rows in table.groupby("band")}
    counts = {band: rows["n"].max() for band, rows in both.items()}
    lines = [f"Spearman: all {counts['all']} | shaded {counted(counts['middle'], 'network')}"]
    for proxy in both["all"].index:
        rhos = (both["all"].loc[proxy, "rho"], both["middle"].loc[proxy, "rho"])
        words = [f"{rho:.2f}" if math.isfinite(rho) else MISSING for rho in rhos]
        lines.append(f"{METRICS[proxy].label} {' | '.join(words)}")
    return "<br>".join(safe(line) for line in lines)


def _get_correlation_info(
    df: pd.DataFrame, objectives: Objectives, band: tuple[float, float] | None, families: Iterable[str] | None
) -> _CorrelationInfo:
    looks = family_looks(families_of(df) if families is None else [*families, *families_of(df)])
    correlations = rank_correlations(df, objectives, band=band, draws=1)
    cost = objectives.metrics[0]
    table = usable(df, cost.key, "macs")
    scale = METRICS["macs"].scale
    groups = []
    for family in sorted(set(table["family"])):
        own = table[table["family"] == family]
        hover = hover_texts(own, cost.key, objectives.value)
        source = own["latency_source"].iloc[0]
        x, y = tuple(own["macs"] * scale), tuple(own[cost.key] * cost.scale)
        groups.append(_Family(safe(family), looks[family], source, x, y, hover))
    middle = correlations[correlations["band"] == "middle"].iloc[0]
    low, high = middle["macs_low"] * scale, middle["macs_high"] * scale
    sources = sorted(set(table["latency_source"]))
    return _CorrelationInfo(
        families=tuple(groups),
        band=(low, high) if math.isfinite(low) and math.isfinite(high) else None,
        summary=_summary(correlations),
        x_title=axis_title(df, "macs"),
        y_title=axis_title(df, cost.key),
        legend_title=f"family ({cost.label} {sources[0]})" if sources else "",
    )


def _plot_correlation(info: _CorrelationInfo) -> go.Figure:
    figure = go.Figure()
    if info.band is not None:
        figure.add_vrect(x0=info.band[0], x1=info.band[1], fillcolor=MUTED, opacity=0.09, line_width=0)
    for family in info.families:
        figure.add_scatter(
            x=family.x,
            y=family.y,
            mode="markers",
            marker=family.look.point(family.source),
            opacity=0.85,
            name=family.label,
            hovertext=family.hover,
            hovertemplate="%{hovertext}<extra></extra>",
        )
    figure.add_annotation(
        text=info.summary,
        font={"size": 12, "color": MUTED},
        align="left",
        showarrow=False,
        x=0,
        xref="paper",
        xanchor="left",
        y=1,
        yref="paper",
        yanchor="bottom",
        yshift=6,
    )
    xs = [value for family in info.families for value in family.x]
    ys = [value for family in info.families for value in family.y]
    figure.update_layout(
        template=TEMPLATE,
        xaxis={"title": {"text": info.x_title}, **ticks(True, xs)},
        yaxis={"title": {"text": info.y_title}, **ticks(True, ys)},
        legend={"title": {"text": safe(info.legend_title), "font": {"size": 12}}},
        margin={"t": 92},
        showlegend=True,
        hovermode="closest",
        meta={"figure": "correlation"},
    )
    return figure


def plot_correlation(
    df: pd.DataFrame,
    objectives: Objectives = OBJECTIVES,
    band: tuple[float, float] | None = None,
    families: Iterable[str] | None = None,
) -> go.Figure:
    """The cost against MACs by family, on log axes, with the correlations of `rank_correlations` above.

    The shaded band is the middle tercile of MACs unless `band` gives its bounds in MACs. Raises UsageError
    when the rows mix targets or latency sources.
    """
    return _plot_correlation(_get_correlation_info(df, objectives, band, families))
