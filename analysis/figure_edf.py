"""Error distributions of families at equal cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from blockfront.analysis.error_edf import complexity_weights, edf
from blockfront.analysis.figure_style import TEMPLATE, Look, axis_title, families_of, family_looks, safe
from blockfront.analysis.frame import require_comparable, usable
from blockfront.analysis.metrics import OBJECTIVES, Objectives
from blockfront.analysis.statistics import MIN_NETWORKS
from blockfront.errors import UsageError


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


def _get_edf_info(
    df: pd.DataFrame, objectives: Objectives, normalise: bool, bins: int, families: Iterable[str] | None
) -> _EdfInfo:
    cost, value = objectives.metrics
    if objectives.sign > 0 and not value.is_share:
        raise UsageError(f"an error is what a share lacks of 1, and {value.key} is no share")
    require_comparable(df, cost.key, value.key)
    looks = family_looks(families_of(df) if families is None else [*families, *families_of(df)])
    table = usable(df, cost.key, value.key)
    members = {str(name): rows for name, rows in table.groupby("family") if len(rows) >= MIN_NETWORKS}
    costs = {name: rows[cost.key].to_numpy(dtype=np.float64) for name, rows in members.items()}
    weights = complexity_weights(costs, bins) if normalise else {}
    curves = []
    for name, rows in members.items():
        values = rows[value.key].to_numpy()
        error, share = edf(values if objectives.sign < 0 else 1 - values, weights.get(name))
        label = f"{safe(name)} (n = {len(rows)})"
        curves.append(_Curve(label, looks[name], tuple(value.scale * error), tuple(100 * share)))
    kind = f"share of networks (%, {bins} {cost.label} bins weighted alike)" if normalise else "share of networks (%)"
    title = axis_title(df, value.key)
    if objectives.sign > 0:
        title = title.replace("accuracy", "error") if "accuracy" in title else f"100 − {title}"
    return _EdfInfo(tuple(curves), title, kind)


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
    df: pd.DataFrame,
    objectives: Objectives = OBJECTIVES,
    normalise: bool = True,
    bins: int = 3,
    families: Iterable[str] | None = None,
) -> go.Figure:
    """The share of each family's networks with at most a given error; further left and higher is better.

    A value that is to be small is an error itself; of a share that is to be large, it is what that lacks of 1.
    With `normalise`, networks are weighted so that all families have the same distribution of cost over
    `bins` bins (`complexity_weights`). Families below 5 networks are left out. Raises UsageError for another
    value, and when the rows mix targets or latency sources.
    """
    return _plot_edf(_get_edf_info(df, objectives, normalise, bins, families))
