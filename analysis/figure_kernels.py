"""Where a network's time goes, by kernel."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from blockfront.analysis.figure_style import COLOURS, TEMPLATE, safe
from blockfront.plurals import counted


@dataclass(frozen=True)
class _KernelInfo:
    label: tuple[str, ...]
    ms: tuple[float, ...]
    hover: tuple[str, ...]


def _get_kernel_info(kernels: pd.DataFrame, top: int) -> _KernelInfo:
    table = kernels.sort_values("ms", ascending=False)
    total = float(table["ms"].sum())
    shown, rest = table.head(top), table.iloc[top:]
    labels = [safe(name if len(name) <= 28 else name[:27] + "…") for name in shown["name"]]
    times = [float(ms) for ms in shown["ms"]]
    hover = [
        f"<b>{safe(name)}</b><br>{ms:.3g} ms in {counted(calls, 'call')}<br>{ms / total:.0%} of all"
        for name, calls, ms in zip(shown["name"], shown["calls"], times, strict=True)
    ]
    if len(rest):
        labels.append(f"{len(rest)} more")
        times.append(float(rest["ms"].sum()))
        hover.append(f"{times[-1]:.3g} ms<br>{times[-1] / total:.0%} of all")
    return _KernelInfo(tuple(labels), tuple(times), tuple(hover))


def _plot_kernels(info: _KernelInfo) -> go.Figure:
    figure = go.Figure(
        go.Bar(
            x=info.ms,
            y=list(range(len(info.ms))),
            orientation="h",
            marker={"color": COLOURS[0]},
            hovertext=info.hover,
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )
    figure.update_layout(
        template=TEMPLATE,
        xaxis={"title": {"text": "time (ms)"}},
        yaxis={
            "autorange": "reversed",
            "tickvals": list(range(len(info.ms))),
            "ticktext": info.label,
            "ticks": "",
        },
        height=max(200, 90 + 24 * len(info.ms)),
        margin={"t": 16},
        meta={"figure": "kernels"},
    )
    return figure


def plot_kernels(kernels: pd.DataFrame, top: int = 20) -> go.Figure:
    """A network's kernels by time, the slowest `top` each and the rest together.

    Columns as in `Latency.kernels`: name, calls and ms (of all calls together).
    """
    return _plot_kernels(_get_kernel_info(kernels, top))
