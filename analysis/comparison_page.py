"""The page of a comparison across targets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from blockfront.analysis.comparison import Comparison, comparison_sentences
from blockfront.analysis.figure_style import axis_title
from blockfront.analysis.figure_targets import plot_targets
from blockfront.analysis.frame import tidy, usable
from blockfront.analysis.precision_page import precision_section
from blockfront.analysis.report_page import Figures, Html, check_page_path, definitions, page, tag
from blockfront.analysis.report_page import table as html_table
from blockfront.analysis.report_tables import comparison_table, front_table
from blockfront.analysis.seeds import covered
from blockfront.analysis.statistics import MIN_NETWORKS
from blockfront.files import explaining, write_atomically
from blockfront.results import MISSING, Metric

SPEEDUP_NOTE = (
    "A family's cost at some {noun} is the least of its networks that are at least as good; families are compared "
    "at the deciles of {noun} of all networks, where both reach them, by the geometric mean of the costs' ratio. The "
    "best family has the least cost at most of these. Brackets: 95 % bootstrap intervals, networks "
    "resampled with replacement and the best family kept. They cover {covered}. "
    f"Families below {MIN_NETWORKS} networks are left out."
)


_TITLE = "One design space on several targets"


def write_comparison(
    comparison: Comparison,
    path: str | Path,
    *,
    provenance: Mapping[str, Mapping[str, object]] | None = None,
    title: str = _TITLE,
) -> Path:
    """Write the comparison as one self-contained HTML file, and return its path.

    Raises UsageError for a path that cannot be a file, RunError when writing fails.
    """
    target = check_page_path(path)
    text = render_comparison(comparison, provenance=provenance, title=title)
    with explaining(target):
        write_atomically(target, text)
    return target


def render_comparison(
    comparison: Comparison,
    *,
    provenance: Mapping[str, Mapping[str, object]] | None = None,
    title: str = _TITLE,
) -> str:
    """The page of `write_comparison` as text."""
    cost, value = comparison.objectives.metrics
    figures = Figures()
    findings = tag("ul", *(tag("li", line) for line in comparison_sentences(comparison)), class_="headline")
    sections = [tag("section", tag("h2", "What the choice of block is worth"), findings)]
    if comparison.levels:
        caption = (
            f"One panel a study: {value.noun} against {cost.label}, each family with its own front. "
            f"{comparison.objectives.up} and left is better."
        )
        figure = figures.add(plot_targets(comparison.studies, comparison.objectives), caption, caption)
        sections.append(tag("section", figure))
    formats = precision_section(comparison.studies, figures, comparison.objectives)
    if formats is not None:
        sections.append(formats)
    sections += [_study(comparison, name) for name in comparison.studies]
    alike = comparison_table(comparison.pairs, comparison.objectives)
    sections.append(tag("section", tag("h2", "How alike the targets rank networks"), alike))
    facts = [(name, axis_title(frame, cost.key).replace("<br>", ", ")) for name, frame in comparison.studies.items()]
    made = [
        (name, definitions((str(k), str(v)) for k, v in (provenance or {}).get(name, {}).items())) for name, _ in facts
    ]
    sections.append(tag("section", tag("h2", "How these numbers were made"), definitions(facts), definitions(made)))
    return page(title, tag("header", tag("h1", title)), sections)


def _study(comparison: Comparison, name: str) -> Html:
    frame = comparison.studies[name]
    cost, value = comparison.objectives.metrics
    source = str(usable(frame, cost.key)["latency_source"].iloc[0]) if cost.depends_on == "target" else ""
    parts: list[object] = [tag("h2", name)]
    if comparison.levels:
        what = f"{cost.label}, {source}" if source else cost.label
        parts.append(_speedup_table(comparison.speedups[name], what, value))
        covers = covered(tidy(frame), comparison.objectives)
        parts.append(tag("p", SPEEDUP_NOTE.format(noun=value.noun, covered=covers), class_="facts"))
        parts.append(front_table(frame, source, comparison.objectives))
    return tag("section", *parts)


def _speedup_table(table: pd.DataFrame, what: str, value: Metric) -> Html:
    lines: list[Sequence[object]] = []
    for row in table.to_dict("records"):
        times = MISSING
        if math.isfinite(row["speedup"]):
            times = f"{row['speedup']:.2f} [{row['speedup_low']:.2f}, {row['speedup_high']:.2f}]"
        lines.append([row["best"], row["family"], row["networks"], f"{row['wins']} of {row['levels']}", times])
    columns = ["best family", "over", ">networks", ">levels it wins", f">times less {what}"]
    return html_table(f"The best family over each other one, at equal {value.noun}", columns, lines)
