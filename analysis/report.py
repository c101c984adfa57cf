"""One self-contained HTML report of one or several studies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from blockfront.analysis.correlation import compare_studies
from blockfront.analysis.families import default_budgets
from blockfront.analysis.figure_correlation import plot_correlation
from blockfront.analysis.figure_front import plot_front
from blockfront.analysis.figure_share import plot_share
from blockfront.analysis.figure_style import families_of
from blockfront.analysis.frame import APART, counting, split_sources, tidy, usable
from blockfront.analysis.headline import headline
from blockfront.analysis.method import method_pairs, study_facts
from blockfront.analysis.metrics import OBJECTIVES, Objectives
from blockfront.analysis.precision_page import precision_section
from blockfront.analysis.report_page import Figures, Html, check_page_path, definitions, page, tag
from blockfront.analysis.report_tables import (
    cheapest_table,
    comparison_table,
    correlations_table,
    failures_table,
    families_note,
    families_table,
    front_table,
    swaps_table,
)
from blockfront.analysis.statistics import MIN_NETWORKS
from blockfront.errors import UsageError
from blockfront.files import explaining, write_atomically
from blockfront.results import METRICS

FRONT_CAPTION = (
    "{up} and to the left is better. Each mark is a network: filled when its latency was measured, open when "
    "it was predicted, dotted when it was simulated. Lines are each family's own front; rings and the black line "
    "are the front of all families{intervals}. Click a family in "
    "the legend to hide it, twice to see it alone; hover for a network's details."
)
INTERVALS = ", with 95 % intervals of {noun} for the size of the test set"
CORRELATION_CAPTION = (
    "Networks of similar MACs differ in {cost}. Inside the shaded middle third of MACs, size explains "
    "little and a proxy has to tell designs apart."
)
SWAPS_NOTE = (
    "Over the skeletons in which both have a network: the geometric mean of the ratio, and the mean difference. Where "
    "the space scales widths to meet its constraints, each network has a scale of its own. Brackets: 95 % bootstrap "
    "intervals over skeletons."
)

ALIKE = (
    "target",
    "toolchain",
    "precision",
    "latency_source",
    "predictor",
    "threads",
    "dataset",
    "recipe_hash",
    "epochs",
)
"""What studies have in common whose networks are drawn on one front."""


def write_report(
    studies: pd.DataFrame | Mapping[str, pd.DataFrame] | Sequence[pd.DataFrame],
    path: str | Path,
    *,
    objectives: Objectives = OBJECTIVES,
    provenance: Mapping[str, Mapping[str, object]] | None = None,
    title: str | None = None,
) -> Path:
    """Write a report that opens offline in any browser, and return its path.

    `studies` is a table, several, or names to tables; tables are taken apart by their `study` column. `objectives` are
    the cost and the value that networks are weighed by. `provenance` maps a study's name to what a reader needs to
    repeat it (command, versions, machine, recipe, ...); values may be nested. Unfinished and empty studies are fine:
    the report says what is missing. The file appears whole or not at all. Raises UsageError for a path that cannot be
    a file, RunError when writing fails.
    """
    target = check_page_path(path)
    text = render_report(studies, objectives=objectives, provenance=provenance, title=title)
    with explaining(target):
        write_atomically(target, text)
    return target


def render_report(
    studies: pd.DataFrame | Mapping[str, pd.DataFrame] | Sequence[pd.DataFrame],
    *,
    objectives: Objectives = OBJECTIVES,
    provenance: Mapping[str, Mapping[str, object]] | None = None,
    title: str | None = None,
) -> str:
    """The report of `write_report` as text."""
    frames = by_study(studies)
    provenance = provenance or {}
    if list(frames) == [""] and len(provenance) == 1:
        frames = {next(iter(provenance)): frames[""]}
    title = title or f"{_against(objectives)}, by block family"
    families = sorted({family for frame in frames.values() for family in families_of(frame)})
    figures = Figures()
    sections = []
    for number, (name, frame) in enumerate(frames.items(), 1):
        body = _study(frame, objectives, families, figures, provenance.get(name, {}))
        heading = tag("h2", name or "Unnamed study")
        sections.append(tag("section", heading, *body, id=f"study-{number}"))
    if len(frames) > 1:
        joint = _joint(frames, objectives)
        if joint is not None:
            body = _study(joint, objectives, families, figures, {})
            sections.insert(0, tag("section", tag("h2", f"Together: {' and '.join(frames)}"), *body, id="together"))
        sections.insert(0, _comparison(frames, objectives))
        formats = precision_section(frames, figures, objectives, families)
        if formats is not None:
            sections.insert(0, formats)
    return page(title, _header(title, list(frames)), sections)


def by_study(
    studies: pd.DataFrame | Mapping[str, pd.DataFrame] | Sequence[pd.DataFrame],
) -> dict[str, pd.DataFrame]:
    """Study name to its tidy rows, in the order given; names of a mapping win over the `study` column.

    Raises UsageError without any study.
    """
    if isinstance(studies, Mapping):
        return {str(name): tidy(frame) for name, frame in studies.items()}
    frames = [studies] if isinstance(studies, pd.DataFrame) else list(studies)
    parts: dict[str, list[pd.DataFrame]] = {}
    for frame in map(tidy, frames):
        if frame.empty:
            parts.setdefault("", []).append(frame)
        for name, rows in frame.groupby("study", sort=False):
            parts.setdefault(str(name), []).append(rows)
    if not parts:
        raise UsageError("a report needs at least one study")
    return {name: pd.concat(rows, ignore_index=True) for name, rows in parts.items()}


def _joint(frames: Mapping[str, pd.DataFrame], objectives: Objectives) -> pd.DataFrame | None:
    """The rows of studies that stand on one front: alike in all but their networks, of which they share none."""
    joint = pd.concat(frames.values(), ignore_index=True)
    finished = usable(joint, objectives.cost, objectives.value)
    alike = all(finished[column].nunique(dropna=False) == 1 for column in ALIKE)
    return joint if alike and not joint["network_id"].duplicated().any() else None


def _against(objectives: Objectives) -> str:
    cost, value = objectives.metrics
    return f"{value.noun[0].upper()}{value.noun[1:]} against {cost.label}"


def _header(title: str, names: Sequence[str]) -> Html:
    parts = [tag("h1", title)]
    if len(names) > 1:
        links = [
            tag("li", tag("a", name or "Unnamed study", href=f"#study-{number}"))
            for number, name in enumerate(names, 1)
        ]
        parts.append(tag("nav", tag("ul", *links), aria_label="Studies"))
    return tag("header", *parts)


def _study(
    frame: pd.DataFrame,
    objectives: Objectives,
    families: Sequence[str],
    figures: Figures,
    provenance: Mapping[str, object],
) -> list[Html]:
    cost, value = objectives.metrics
    sources = split_sources(counting(frame), cost.key)
    parts = [tag("p", study_facts(frame), class_="facts")]
    if len(sources) > 1:
        names = " and ".join(sources)
        parts.append(tag("p", f"Latencies of this study are {names}. They are never merged: each has its own front."))
    for source, rows in sources.items():
        lines = headline(rows, objectives)
        if len(sources) > 1:
            parts.append(tag("h3", source.capitalize()))
        parts.append(_sentences(lines))
    if not sources:
        parts.append(_sentences(headline(frame, objectives)))
    if len(usable(frame, cost.key, value.key)):
        intervals = INTERVALS.format(noun=value.noun) if value.interval is not None else ""
        caption = FRONT_CAPTION.format(up=objectives.up, intervals=intervals)
        figure = plot_front(frame, cost.key, value.key, families=families)
        parts.append(figures.add(figure, _plotted(objectives), caption))
    for source, rows in sources.items():
        suffix = f", {source}" if len(sources) > 1 else ""
        parts += _source_sections(rows, objectives, source, suffix, families, figures)
    failures = failures_table(frame)
    if failures is not None:
        parts += [tag("h3", "Failures"), failures]
    method = method_pairs(frame, provenance, objectives)
    if method:
        parts += [tag("h3", "How these numbers were made"), definitions(method)]
    return parts


def _sentences(lines: Iterable[str]) -> Html:
    # No-break spaces keep "95 %" and "7.8 ms" on one line.
    units = "|".join(sorted({re.escape(metric.unit) for metric in METRICS.values()}))
    tight = (re.sub(rf"(?<=\d) (?=(?:{units})(?!\w))", "\u00a0", line) for line in lines)
    return tag("ul", *(tag("li", line) for line in tight), class_="headline")


def _source_sections(
    rows: pd.DataFrame,
    objectives: Objectives,
    source: str,
    suffix: str,
    families: Sequence[str],
    figures: Figures,
) -> list[Html]:
    cost, value = objectives.metrics
    both = usable(rows, cost.key, value.key)
    parts: list[Html] = []
    if len(both):
        parts += [tag("h3", "The front" + suffix), front_table(rows, source, objectives)]
        parts.append(tag("h3", "Families" + suffix))
        if len(both) >= MIN_NETWORKS:
            label = "Each family's share of the merged front with 95 % intervals, listed in the table below."
            parts.append(figures.add(plot_share(rows, objectives, families=families), label))
        parts.append(families_table(rows, source, default_budgets(rows, objectives), objectives))
        parts.append(tag("p", families_note(rows, objectives), class_="facts"))
        swapped = swaps_table(rows, source, objectives)
        parts += [] if swapped is None else [swapped, tag("p", SWAPS_NOTE, class_="facts")]
    for key, metric in METRICS.items():
        if metric.depends_on == "target" and metric.direction == "minimize" and key != cost.key:
            parts += _other_front(rows, Objectives(key, value.key), suffix, families, figures)
    if cost.depends_on == "target" and len(usable(rows, cost.key, "macs")) >= MIN_NETWORKS:
        parts.append(tag("h3", f"What predicts {cost.label}{suffix}"))
        label = f"Scatter plot of {cost.label} against MACs by family; correlations are listed in the table below."
        caption = CORRELATION_CAPTION.format(cost=cost.label)
        parts.append(figures.add(plot_correlation(rows, objectives, families=families), _plotted(objectives), caption))
        parts.append(correlations_table(rows, source, objectives))
    if not len(both):
        heading = f"Networks, {cost.superlative} first{suffix}"
        parts += [tag("h3", heading), cheapest_table(rows, source, objectives)]
    return parts


def _plotted(objectives: Objectives) -> str:
    """What a plot of the front shows, for those who do not see it."""
    cost, value = objectives.metrics
    return f"Scatter plot of {value.noun} against {cost.label} by family; the front is listed in the table below."


def _other_front(
    rows: pd.DataFrame, objectives: Objectives, suffix: str, families: Sequence[str], figures: Figures
) -> list[Html]:
    """The front of the value against another cost that holds for one target, such as energy, where there are both.

    None where the rows hold it for several targets or sources: they are apart by the report's own cost alone.
    """
    cost, value = objectives.metrics
    both = usable(rows, cost.key, value.key)
    if len(both) == 0 or any(both[column].nunique() > 1 for column, _ in APART):
        return []
    source = str(both["latency_source"].iloc[0])
    caption = f"{cost.label[0].upper()}{cost.label[1:]} of one inference, {source}."
    figure = figures.add(plot_front(rows, cost.key, value.key, families=families), _plotted(objectives), caption)
    return [tag("h3", _against(objectives) + suffix), figure, front_table(rows, source, objectives)]


def _comparison(frames: Mapping[str, pd.DataFrame], objectives: Objectives) -> Html:
    parts = []
    cost = objectives.metrics[0]
    for name, frame in frames.items():
        for rows in split_sources(counting(frame), cost.key).values():
            parts.append(rows.assign(study=name))
    heading = tag("h2", "Comparison")
    if len(parts) < 2:
        return tag("section", heading, tag("p", f"Fewer than two studies have {cost.label} yet."))
    note = (
        "Networks are matched by id. A high correlation means one study's ranking holds in the other; a low "
        "one means the choice of network has to be made for each. On both fronts: networks on each study's "
        "own front."
    )
    return tag(
        "section",
        heading,
        comparison_table(compare_studies(parts, objectives), objectives),
        tag("p", note, class_="facts"),
    )
