"""One self-contained HTML report of one or several studies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from bench.analysis.correlation import compare_studies
from bench.analysis.families import default_budgets
from bench.analysis.figure_correlation import plot_correlation
from bench.analysis.figure_front import plot_front
from bench.analysis.figure_share import plot_share
from bench.analysis.figure_style import families_of
from bench.analysis.frame import split_sources, tidy, usable
from bench.analysis.headline import headline
from bench.analysis.method import method_pairs, study_facts
from bench.analysis.report_page import Figures, Html, check_page_path, definitions, page, tag
from bench.analysis.report_tables import (
    comparison_table,
    correlations_table,
    failures_table,
    families_note,
    families_table,
    front_table,
    latency_table,
)
from bench.analysis.statistics import MIN_NETWORKS
from bench.errors import UsageError
from bench.files import explaining, write_atomically

FRONT_CAPTION = (
    "Up and to the left is better. Each mark is a network: filled when its latency was measured, open when "
    "it was predicted, dotted when it was simulated. Lines are each family's own front; rings and the black line "
    "are the front of all families, with 95 % intervals of accuracy for the size of the test set. Click a family in "
    "the legend to hide it, twice to see it alone; hover for a network's details."
)
CORRELATION_CAPTION = (
    "Networks of similar MACs differ in latency. Inside the shaded middle third of MACs, size explains "
    "little and a proxy has to tell designs apart."
)

ALIKE = ("target", "latency_source", "predictor", "threads", "dataset", "epochs")
"""What studies have in common whose networks are drawn on one front."""


def write_report(
    studies: pd.DataFrame | Mapping[str, pd.DataFrame] | Sequence[pd.DataFrame],
    path: str | Path,
    *,
    provenance: Mapping[str, Mapping[str, object]] | None = None,
    title: str | None = None,
) -> Path:
    """Write a report that opens offline in any browser, and return its path.

    `studies` is a table, several, or names to tables; tables are taken apart by their `study` column.
    `provenance` maps a study's name to what a reader needs to repeat it (command, versions, machine, recipe,
    ...); values may be nested. Unfinished and empty studies are fine: the report says what is missing. The
    file appears whole or not at all. Raises UsageError for a path that cannot be a file, RunError when
    writing fails.
    """
    target = check_page_path(path)
    text = render_report(studies, provenance=provenance, title=title)
    with explaining(target):
        write_atomically(target, text)
    return target


def render_report(
    studies: pd.DataFrame | Mapping[str, pd.DataFrame] | Sequence[pd.DataFrame],
    *,
    provenance: Mapping[str, Mapping[str, object]] | None = None,
    title: str | None = None,
) -> str:
    """The report of `write_report` as text."""
    frames = by_study(studies)
    provenance = provenance or {}
    if list(frames) == [""] and len(provenance) == 1:
        frames = {next(iter(provenance)): frames[""]}
    title = title or "Accuracy against latency, by block family"
    families = sorted({family for frame in frames.values() for family in families_of(frame)})
    figures = Figures()
    sections = []
    for number, (name, frame) in enumerate(frames.items(), 1):
        body = _study(frame, families, figures, provenance.get(name, {}))
        heading = tag("h2", name or "Unnamed study")
        sections.append(tag("section", heading, *body, id=f"study-{number}"))
    if len(frames) > 1:
        joint = _joint(frames)
        if joint is not None:
            body = _study(joint, families, figures, {})
            sections.insert(0, tag("section", tag("h2", f"Together: {' and '.join(frames)}"), *body, id="together"))
        sections.insert(0, _comparison(frames))
    return page(title, _header(title, list(frames)), sections)


def by_study(
    studies: pd.DataFrame | Mapping[str, pd.DataFrame] | Sequence[pd.DataFrame],
) -> dict[str, pd.DataFrame]:
    """Study name to its tidy rows, in the order given; names of a mapping win over the `study` column."""
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


def _joint(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame | None:
    """The rows of studies that stand on one front: alike in all but their networks, of which they share none."""
    joint = pd.concat(frames.values(), ignore_index=True)
    finished = usable(joint, "latency_ms", "top1")
    alike = all(finished[column].nunique(dropna=False) == 1 for column in ALIKE)
    return joint if alike and not joint["network_id"].duplicated().any() else None


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
    frame: pd.DataFrame, families: Sequence[str], figures: Figures, provenance: Mapping[str, object]
) -> list[Html]:
    sources = split_sources(frame[frame["state"] != "failed"])
    parts = [tag("p", study_facts(frame), class_="facts")]
    if len(sources) > 1:
        names = " and ".join(sources)
        parts.append(tag("p", f"Latencies of this study are {names}. They are never merged: each has its own front."))
    for source, rows in sources.items():
        lines = headline(rows)
        if len(sources) > 1:
            parts.append(tag("h3", source.capitalize()))
        parts.append(_sentences(lines))
    if not sources:
        parts.append(_sentences(headline(frame)))
    if len(usable(frame, "latency_ms", "top1")):
        label = "Scatter plot of accuracy against latency by family; the front is listed in the table below."
        parts.append(figures.add(plot_front(frame, families=families), label, FRONT_CAPTION))
    for source, rows in sources.items():
        suffix = f", {source}" if len(sources) > 1 else ""
        parts += _source_sections(rows, source, suffix, families, figures)
    failures = failures_table(frame)
    if failures is not None:
        parts += [tag("h3", "Failures"), failures]
    method = method_pairs(frame, provenance)
    if method:
        parts += [tag("h3", "How these numbers were made"), definitions(method)]
    return parts


def _sentences(lines: Iterable[str]) -> Html:
    # No-break spaces keep "95 %" and "7.8 ms" on one line.
    tight = (re.sub(r"(?<=\d) (?=%|ms\b|M\b)", "\u00a0", line) for line in lines)
    return tag("ul", *(tag("li", line) for line in tight), class_="headline")


def _source_sections(
    rows: pd.DataFrame, source: str, suffix: str, families: Sequence[str], figures: Figures
) -> list[Html]:
    both = usable(rows, "latency_ms", "top1")
    parts = []
    if len(both):
        parts += [tag("h3", "The front" + suffix), front_table(rows, source)]
        parts.append(tag("h3", "Families" + suffix))
        if len(both) >= MIN_NETWORKS:
            label = "Each family's share of the merged front with 95 % intervals, listed in the table below."
            parts.append(figures.add(plot_share(rows, families=families), label))
        parts.append(families_table(rows, source, default_budgets(rows)))
        parts.append(tag("p", families_note(rows), class_="facts"))
    parts += _energy(rows, source, suffix, families, figures)
    if len(usable(rows, "latency_ms", "macs")) >= MIN_NETWORKS:
        parts.append(tag("h3", "What predicts latency" + suffix))
        label = "Scatter plot of latency against MACs by family; correlations are listed in the table below."
        parts.append(figures.add(plot_correlation(rows, families=families), label, CORRELATION_CAPTION))
        parts.append(correlations_table(rows, source))
    if not len(both):
        parts += [tag("h3", "Fastest networks" + suffix), latency_table(rows, source)]
    return parts


def _energy(rows: pd.DataFrame, source: str, suffix: str, families: Sequence[str], figures: Figures) -> list[Html]:
    """The front of accuracy against energy, where there are both."""
    if not len(usable(rows, "energy_mj", "top1")):
        return []
    label = "Scatter plot of accuracy against energy by family; the front is listed in the table below."
    figure = figures.add(
        plot_front(rows, x="energy_mj", families=families), label, f"Energy of one inference, {source}."
    )
    return [tag("h3", "Accuracy against energy" + suffix), figure, front_table(rows, source, "energy_mj")]


def _comparison(frames: Mapping[str, pd.DataFrame]) -> Html:
    parts = []
    for name, frame in frames.items():
        for rows in split_sources(frame[frame["state"] != "failed"]).values():
            parts.append(rows.assign(study=name))
    heading = tag("h2", "Comparison")
    if len(parts) < 2:
        return tag("section", heading, tag("p", "Fewer than two studies have latencies yet."))
    note = (
        "Networks are matched by id. A high correlation means one study's ranking holds in the other; a low "
        "one means the choice of network has to be made for each. On both fronts: networks on each study's "
        "own front."
    )
    return tag("section", heading, comparison_table(compare_studies(parts)), tag("p", note, class_="facts"))
