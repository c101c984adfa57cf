"""Predicted against measured milliseconds as a drawing in SVG, both axes logarithmic."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

from blockfront.analysis.figure_style import COLOURS, FONT, GRID, INK, MUTED

SIDE, MARGIN, LEGEND = 420, 56, 190
_RADIUS = 3.5
_SHAPES = ("circle", "square", "diamond")


def scatter_svg(groups: Mapping[str, Sequence[tuple[float, float]]], title: str) -> str:
    """(measured, predicted) pairs by group, with the line where both are equal and those of ±25 %.

    Raises `ValueError` when there is no pair.
    """
    values = [value for pairs in groups.values() for pair in pairs for value in pair]
    low, high = min(values) / 1.2, max(values) * 1.2

    def place(measured: float, predicted: float) -> tuple[float, float]:
        x, y = (math.log(value / low) / math.log(high / low) for value in (measured, predicted))
        return MARGIN + x * SIDE, MARGIN + (1 - y) * SIDE

    parts = [_text(MARGIN, 24, title, INK, 15), *_axes(low, high, place)]
    for ratio, dash in ((1.0, ""), (1.25, "4 4"), (0.8, "4 4")):
        first, last = max(low, low / ratio), min(high, high / ratio)
        parts.append(_line(*place(first, first * ratio), *place(last, last * ratio), MUTED, dash))
    for number, (name, pairs) in enumerate(groups.items()):
        look = COLOURS[number % len(COLOURS)], _SHAPES[number // len(COLOURS) % len(_SHAPES)]
        parts += [_point(*place(*pair), *look) for pair in pairs]
        y = MARGIN + 8 + 18 * number
        parts += [_point(MARGIN + SIDE + 20, y, *look), _text(MARGIN + SIDE + 32, y + 4, name, INK)]
    width, height = MARGIN + SIDE + LEGEND, max(2 * MARGIN + SIDE, MARGIN + 18 * len(groups) + 16)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="{escape(FONT)}">'
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="white"/>', *parts, "</svg>"]) + "\n"


def _axes(low: float, high: float, place: Callable[[float, float], tuple[float, float]]) -> list[str]:
    """Lines and numbers at 1, 2 and 5 of every power of ten, and what the axes are."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in (1, 2, 5) if low < digit * 10.0**power < high]
    parts = []
    for tick in ticks:
        (x, bottom), (left, y) = place(tick, low), place(low, tick)
        parts += [_line(x, bottom, x, MARGIN, GRID), _line(left, y, MARGIN + SIDE, y, GRID)]
        parts += [_text(x, bottom + 16, f"{tick:g}", MUTED, anchor="middle")]
        parts += [_text(left - 6, y + 4, f"{tick:g}", MUTED, anchor="end")]
    middle, bottom = MARGIN + SIDE / 2, MARGIN + SIDE + 38
    turned = f' transform="rotate(-90 14 {middle})"'
    return [
        *parts,
        _text(middle, bottom, "measured ms", INK, anchor="middle"),
        _text(14, middle, "predicted ms", INK, anchor="middle", more=turned),
    ]


def _point(x: float, y: float, colour: str, shape: str) -> str:
    style = f'fill="{colour}" fill-opacity="0.75"'
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS}" {style}/>'
    turned = f' transform="rotate(45 {x:.1f} {y:.1f})"' if shape == "diamond" else ""
    corner = f'x="{x - _RADIUS:.1f}" y="{y - _RADIUS:.1f}"'
    return f'<rect {corner} width="{2 * _RADIUS}" height="{2 * _RADIUS}" {style}{turned}/>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dash: str = "") -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dashes}/>'


def _text(x: float, y: float, text: str, colour: str, size: int = 12, anchor: str = "start", more: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}"{more}>{escape(text)}</text>'
