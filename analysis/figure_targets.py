"""One panel a study: the same networks on several targets, each family with its own front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from blockfront.analysis.figure_style import (
    TEMPLATE,
    Look,
    axis_title,
    families_of,
    family_looks,
    hover_texts,
    safe,
    ticks,
)
from blockfront.analysis.frame import require_comparable, usable
from blockfront.analysis.metrics import OBJECTIVES, Objectives
from blockfront.analysis.pareto import front

_PANEL_HEIGHT = 430


@dataclass(frozen=True)
class _Line:
    """One family in one panel: its networks, and its front."""

    family: str
    look: Look
    source: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    hover: tuple[str, ...]
    front_x: tuple[float, ...]
    front_y: tuple[float, ...]


@dataclass(frozen=True)
class _Panel:
    title: str
    x_title: str
    lines: tuple[_Line, ...]


@dataclass(frozen=True)
class _TargetsInfo:
    panels: tuple[_Panel, ...]
    y_title: str


def _get_targets_info(studies: Mapping[str, pd.DataFrame], objectives: Objectives) -> _TargetsInfo:
    looks = family_looks({family for frame in studies.values() for family in families_of(frame)})
    cost, value = objectives.metrics
    panels = []
    for name, frame in studies.items():
        require_comparable(frame, cost.key, value.key)
        rows = usable(frame, cost.key, value.key)
        lines = []
        for family in sorted(set(rows["family"])):
            own = rows[rows["family"] == family]
            best = front(own, cost.key, value.key)
            lines.append(
                _Line(
                    family=family,
                    look=looks[family],
                    source=str(own["latency_source"].iloc[0]),
                    x=tuple(own[cost.key] * cost.scale),
                    y=tuple(own[value.key] * value.scale),
                    hover=hover_texts(own, cost.key, value.key),
                    front_x=tuple(best[cost.key] * cost.scale),
                    front_y=tuple(best[value.key] * value.scale),
                )
            )
        panels.append(_Panel(safe(name), axis_title(frame, cost.key), tuple(lines)))
    return _TargetsInfo(tuple(panels), axis_title(next(iter(studies.values())), value.key))


def _plot_targets(info: _TargetsInfo) -> go.Figure:
    columns = min(2, len(info.panels))
    rows = -(-len(info.panels) // columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=[panel.title for panel in info.panels],
        shared_yaxes="all",
        horizontal_spacing=0.06,
        vertical_spacing=0.3 / rows,
    )
    shown: set[str] = set()
    for number, panel in enumerate(info.panels):
        place = {"row": number // columns + 1, "col": number % columns + 1}
        for line in panel.lines:
            figure.add_scatter(
                x=line.front_x,
                y=line.front_y,
                mode="lines",
                line={"shape": "hv", "color": line.look.colour, "width": 1.8, "dash": line.look.dash},
                legendgroup=line.family,
                hoverinfo="skip",
                showlegend=False,
                **place,
            )
            figure.add_scatter(
                x=line.x,
                y=line.y,
                mode="markers",
                marker=line.look.point(line.source),
                opacity=0.85,
                name=safe(line.family),
                legendgroup=line.family,
                hovertext=line.hover,
                hovertemplate="%{hovertext}<extra></extra>",
                showlegend=line.family not in shown,
                **place,
            )
            shown.add(line.family)
        values = [value for line in panel.lines for value in line.x]
        figure.update_xaxes(title={"text": panel.x_title}, **ticks(True, values), **place)
    figure.update_yaxes(title={"text": info.y_title}, col=1)
    figure.update_layout(
        template=TEMPLATE,
        legend={"title": {"text": "family", "font": {"size": 12}}},
        hovermode="closest",
        height=_PANEL_HEIGHT * rows + 60,
        meta={"figure": "targets"},
    )
    return figure


def plot_targets(studies: Mapping[str, pd.DataFrame], objectives: Objectives = OBJECTIVES) -> go.Figure:
    """A panel for each study (name to its table): value against cost, this on a log axis, fronts of the families.

    Colours and symbols of a family are the same in all panels, and so is the axis of value. Marks are filled where
    latency was measured, open where predicted, dotted where simulated. Raises UsageError for a
    study that mixes targets or latency sources.
    """
    return _plot_targets(_get_targets_info(studies, objectives))
