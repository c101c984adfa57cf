"""Error distributions of families at equal latency."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bench.analysis.error_edf import complexity_weights, edf
from bench.analysis.figure_style import TEMPLATE, Look, axis_title, families_of, family_looks, safe
from bench.analysis.frame import require_comparable, usable
from bench.analysis.statistics import MIN_NETWORKS


@dataclass(frozen=True)
class _Curve:
    label: str
    look: Look
    error: tuple[float, ...]
    share: tuple[float, ...]


@dataclass(frozen=True)
class _EdfInfo:
    curves: tuple[_Curve, ...]
    x_title: str
    y_title: str


def _get_edf_info(df: pd.DataFrame, normalise: bool, bins: int, families: Iterable[str] | None) -> _EdfInfo:
    require_comparable(df)
    looks = family_looks(families_of(df) if families is None else [*families, *families_of(df)])
    table = usable(df, "latency_ms", "top1")
    members = {str(name): rows for name, rows in table.groupby("family") if len(rows) >= MIN_NETWORKS}
    latencies = {name: rows["latency_ms"].to_numpy(dtype=np.float64) for name, rows in members.items()}
    weights = complexity_weights(latencies, bins) if normalise else {}
    curves = []
    for name, rows in members.items():
        error, share = edf(1 - rows["top1"].to_numpy(), weights.get(name))
        label = f"{safe(name)} (n = {len(rows)})"
        curves.append(_Curve(label, looks[name], tuple(100 * error), tuple(100 * share)))
    kind = f"share of networks (%, {bins} latency bins weighted alike)" if normalise else "share of networks (%)"
    return _EdfInfo(tuple(curves), axis_title(df, "top1").replace("accuracy", "error"), kind)


def _plot_edf(info: _EdfInfo) -> go.Figure:
    figure = go.Figure()
    for curve in info.curves:
        figure.add_scatter(
            x=curve.error,
            y=curve.share,
            mode="lines",
            line={"shape": "hv", "color": curve.look.colour, "dash": curve.look.dash, "width": 1.8},
            name=curve.label,
        )
    figure.update_layout(
        template=TEMPLATE,
        xaxis={"title": {"text": info.x_title}},
        yaxis={"title": {"text": info.y_title}, "range": [0, 102]},
        showlegend=True,
        meta={"figure": "edf"},
    )
    return figure


def plot_edf(
    df: pd.DataFrame, normalise: bool = True, bins: int = 3, families: Iterable[str] | None = None
) -> go.Figure:
    """The share of each family's networks with at most a given error; further left and higher is better.

    With `normalise`, networks are weighted so that all families have the same distribution of latency over
    `bins` bins (`complexity_weights`). Families below 5 networks are left out. Raises UsageError when the
    rows mix targets or latency sources.
    """
    return _plot_edf(_get_edf_info(df, normalise, bins, families))
