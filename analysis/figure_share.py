"""Each family's share of the merged front, with its bootstrap interval."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from blockfront.analysis.families import family_table
from blockfront.analysis.figure_style import TEMPLATE, Look, families_of, family_looks, safe, source_words
from blockfront.analysis.frame import usable
from blockfront.analysis.metrics import OBJECTIVES, Objectives
from blockfront.plurals import counted
from blockfront.results import MISSING


@dataclass(frozen=True)
class _Share:
    family: str
    label: str
    look: Look
    percent: float
    low: float
    high: float
    hover: str


@dataclass(frozen=True)
class _ShareInfo:
    shares: tuple[_Share, ...]
    source: str
    subtitle: str


def _get_share_info(
    df: pd.DataFrame, objectives: Objectives, families: Iterable[str] | None, draws: int, seed: int
) -> _ShareInfo:
    looks = family_looks(families_of(df) if families is None else [*families, *families_of(df)])
    table = family_table(df, objectives, draws=draws, seed=seed)
    table = table[table["finished"] > 0]
    shares = []
    for row in table.to_dict("records"):
        percent, low, high = (100 * row[key] for key in ("share", "share_low", "share_high"))
        interval = f"[{low:.0f}, {high:.0f}] %" if low == low else MISSING
        hover = (
            f"<b>{safe(row['family'])}</b><br>{counted(row['on_front'], 'network')} of the merged front: "
            f"{percent:.0f} %<br>95 % interval {interval}<br>{counted(row['finished'], 'finished network')}"
        )
        label = f"{safe(row['family'])} ({row['finished']})"
        shares.append(_Share(row["family"], label, looks[row["family"]], percent, low, high, hover))
    cost, value = objectives.metrics
    finished = usable(df, cost.key, value.key)
    source = str(finished["latency_source"].iloc[0]) if len(finished) else ""
    subtitle = f"{cost.label} and {value.short}"
    if cost.depends_on == "target":
        subtitle = f"{cost.label} {', '.join(sorted({source_words(row) for _, row in finished.iterrows()}))}"
    return _ShareInfo(tuple(shares), source, safe(subtitle))


def _plot_share(info: _ShareInfo) -> go.Figure:
    figure = go.Figure()
    for share in info.shares:
        figure.add_scatter(
            x=[share.percent],
            y=[share.label],
            mode="markers",
            marker={
                "color": share.look.colour,
                "symbol": share.look.marker(info.source),
                "size": 11,
                "line": {"width": 1.8, "color": share.look.colour},
            },
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [share.high - share.percent],
                "arrayminus": [share.percent - share.low],
                "color": share.look.colour,
                "thickness": 2,
                "width": 0,
            },
            name=safe(share.family),
            hovertext=[share.hover],
            hovertemplate="%{hovertext}<extra></extra>",
            cliponaxis=False,
            showlegend=False,
        )
    ends = [share.high if math.isfinite(share.high) else share.percent for share in info.shares]
    top = max([1.0, *ends])
    figure.update_layout(
        template=TEMPLATE,
        xaxis={
            "title": {"text": f"share of the merged front (%)<br>{info.subtitle}"},
            "range": [0, 1.05 * top],
        },
        yaxis={"autorange": "reversed", "type": "category", "ticks": "", "ticklabelstandoff": 10},
        height=max(220, 96 + 30 * len(info.shares)),
        margin={"t": 16},
        meta={"figure": "share"},
    )
    return figure


def plot_share(
    df: pd.DataFrame,
    objectives: Objectives = OBJECTIVES,
    families: Iterable[str] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> go.Figure:
    """Families by their share of the merged front, whiskers the 95 % interval of `family_table`.

    The number beside a name counts its finished networks. Raises UsageError when the rows mix targets or
    latency sources.
    """
    return _plot_share(_get_share_info(df, objectives, families, draws, seed))
