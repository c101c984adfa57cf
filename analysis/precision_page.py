"""Number formats on one front, as a section of a page."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from itertools import chain

import pandas as pd

from blockfront.analysis.figure_front import plot_front
from blockfront.analysis.metrics import OBJECTIVES, Objectives
from blockfront.analysis.precision import PLAIN, TwoPrecisions, compare_precisions, precision_sentences
from blockfront.analysis.report_page import Figures, Html, table, tag
from blockfront.results import MISSING

NOTE = (
    "A family's cost at some {noun} is the least of its networks that are at least as good, each number format by its "
    "own {noun}; two are compared at the deciles of all {noun} that both reach, by the geometric mean of the "
    "costs' ratio. Places are by cost at equal {noun} within a format. Brackets: 95 % bootstrap intervals, networks "
    "resampled with both their results."
)


def precision_section(
    studies: Mapping[str, pd.DataFrame],
    figures: Figures,
    objectives: Objectives = OBJECTIVES,
    families: Sequence[str] | None = None,
) -> Html | None:
    """The section of the studies that differ in their number format alone; None where there are none."""
    compared = compare_precisions(studies, objectives)
    if not compared:
        return None
    cost, value = objectives.metrics
    others = " and ".join(one.formats[1] for one in compared)
    caption = (
        f"{value.noun[0].upper()}{value.noun[1:]} against {cost.label} in {PLAIN} (pale) and {others}: each format has "
        f"its own fronts. {objectives.up} and left is better."
    )
    together = pd.concat([compared[0].tables[0], *(one.tables[1] for one in compared)], ignore_index=True)
    figure = plot_front(together, cost.key, value.key, families=families)
    sentences = chain.from_iterable(precision_sentences(one, objectives) for one in compared)
    names = " and ".join(dict.fromkeys(chain.from_iterable(one.names for one in compared)))
    return tag(
        "section",
        tag("h2", f"{PLAIN} and {others}: {names}"),
        tag("ul", *(tag("li", line) for line in sentences), class_="headline"),
        figures.add(figure, caption, caption),
        *(_gains_table(one, objectives) for one in compared),
        tag("p", NOTE.format(noun=value.noun), class_="facts"),
        id="precision",
    )


def _gains_table(compared: TwoPrecisions, objectives: Objectives) -> Html:
    cost, value = objectives.metrics
    formats = compared.formats
    lines = [
        [
            row["family"],
            *(row[f"networks_{when}"] for when in ("before", "after")),
            *(_place(row[f"place_{when}"]) for when in ("before", "after")),
            row["levels"],
            _gain(row),
        ]
        for row in compared.gains.to_dict("records")
    ]
    columns = ["family", *(f">networks in {form}" for form in formats), *(f">place in {form}" for form in formats)]
    columns += [">levels", f">times less {cost.label} in {formats[1]}"]
    return table(f"What {formats[1]} saves, at equal {value.noun}", columns, lines)


def _place(place: float) -> str:
    return f"{place:.0f}" if math.isfinite(place) else MISSING


def _gain(row: Mapping[Hashable, float]) -> str:
    if not math.isfinite(row["gain"]):
        return MISSING
    return f"{row['gain']:.2f} [{row['gain_low']:.2f}, {row['gain_high']:.2f}]"
