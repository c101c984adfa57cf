"""One space on several targets: what the choice of a family is worth on each, and how alike targets rank networks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from blockfront.analysis.correlation import compare_studies
from blockfront.analysis.families import family_table
from blockfront.analysis.figure_style import source_words
from blockfront.analysis.frame import require_comparable, tidy, usable
from blockfront.analysis.metrics import OBJECTIVES, Objectives
from blockfront.analysis.pareto import front
from blockfront.analysis.precision import compare_precisions, precision_sentences
from blockfront.analysis.speedup import accuracy_levels, speedups
from blockfront.errors import UsageError
from blockfront.results import Metric


@dataclass(frozen=True)
class Comparison:
    """Studies of one space, by name; `studies` holds each one's table.

    `speedups`: see `blockfront.analysis.speedup.speedups`, by study, at the accuracies `levels`, which are the same for
    all; `families`: each study's `family_table`; `pairs`: `compare_studies`; all of them by `objectives`.
    """

    objectives: Objectives
    studies: Mapping[str, pd.DataFrame]
    levels: tuple[float, ...]
    speedups: Mapping[str, pd.DataFrame]
    families: Mapping[str, pd.DataFrame]
    pairs: pd.DataFrame


def compare_targets(
    studies: Mapping[str, pd.DataFrame], objectives: Objectives = OBJECTIVES, draws: int = 1000, seed: int = 0
) -> Comparison:
    """The comparison of two studies or more, each of one target and one latency source.

    Raises UsageError for fewer, for a cost that a study lacks, and for a study that mixes targets or sources.
    """
    if len(studies) < 2:
        raise UsageError("a comparison needs two studies or more")
    for name, frame in studies.items():
        require_comparable(frame, objectives.cost, objectives.value)
        if usable(frame, objectives.cost).empty:
            raise UsageError(f"study {name} has no {objectives.cost}")
    # Each network once: its value depends on the number format, and not on the target.
    together = tidy(pd.concat(list(studies.values()), ignore_index=True)).drop_duplicates(["network_id", "precision"])
    levels = accuracy_levels(together, objectives)
    return Comparison(
        objectives=objectives,
        studies=studies,
        levels=levels,
        speedups={name: speedups(frame, objectives, levels, draws, seed) for name, frame in studies.items()},
        families={name: family_table(frame, objectives, draws=draws, seed=seed) for name, frame in studies.items()},
        pairs=compare_studies([frame.assign(study=name) for name, frame in studies.items()], objectives, draws, seed),
    )


def comparison_sentences(comparison: Comparison) -> list[str]:
    """What the comparison says, in words: the best family of each study, what it is worth, and what moves with it."""
    sentences: list[str] = []
    cost, value = comparison.objectives.metrics
    label = cost.label
    best: dict[str, str] = {}
    for name, table in comparison.speedups.items():
        source = _source(comparison.studies[name], cost)
        told = [source, "families in pairs" if not table.empty and table["paired"].all() else ""]
        where = f"{name} ({', '.join(filter(None, told))})" if any(told) else name
        if table.empty or table["speedup"].notna().sum() == 0:
            sentences.append(f"{where}: not enough networks with {value.noun} to compare families.")
            continue
        best[name] = str(table["best"].iloc[0])
        sentences.append(f"{where}: {best[name]} is best; at equal {value.noun}, {_factors(table, label)}.")
    for name, family in best.items():
        others = [other for other in best if other != name]
        lost = [_penalty(other, family, best[other], comparison.speedups[other], label) for other in others]
        if any(lost):
            sentences.append(f"{family}, the best on {name}, takes {'; '.join(filter(None, lost))}.")
    for formats in compare_precisions(comparison.studies, comparison.objectives):
        sentences += precision_sentences(formats, comparison.objectives)
    return sentences


def _factors(table: pd.DataFrame, label: str) -> str:
    rows = table[table["speedup"].notna()]
    most, median = rows.iloc[0], rows["speedup"].median()
    if len(rows) == 1:
        return f"1 other family takes {median:.2f} times its {label}: {most['family']} ({_interval(most)})"
    return (
        f"{len(rows)} other families take {median:.2f} times its {label} in the median, and {most['family']} the "
        f"most, {most['speedup']:.2f} times ({_interval(most)})"
    )


def _penalty(study: str, family: str, best: str, table: pd.DataFrame, label: str) -> str:
    rows = table[(table["family"] == family) & table["speedup"].notna()]
    if family == best or rows.empty:
        return ""
    row = rows.iloc[0]
    return f"{row['speedup']:.2f} times {best}'s {label} on {study} ({_interval(row)})"


def _interval(row: pd.Series) -> str:
    if not math.isfinite(row["speedup_low"]):
        return "no interval"
    return f"95 % interval {row['speedup_low']:.2f} to {row['speedup_high']:.2f}"


def _source(frame: pd.DataFrame, cost: Metric) -> str:
    return source_words(usable(frame, cost.key).iloc[0]) if cost.depends_on == "target" else ""


def comparison_records(comparison: Comparison) -> dict[str, Sequence[dict[str, object]]]:
    """Its tables as rows: `speedups`, `families` and the families' `fronts`, each row with its study, and `pairs`."""

    def rows(tables: Mapping[str, pd.DataFrame]) -> list[dict[str, object]]:
        return [
            {"study": name, **{str(key): value for key, value in row.items()}}
            for name, table in tables.items()
            for row in table.to_dict("records")
        ]

    pairs = [{str(key): value for key, value in row.items()} for row in comparison.pairs.to_dict("records")]
    cost, value = comparison.objectives.cost, comparison.objectives.value
    fronts: list[dict[str, object]] = [
        {"study": name, "family": family, **{str(key): value for key, value in row.items()}}
        for name, frame in comparison.studies.items()
        for family, own in tidy(frame).groupby("family")
        for row in front(own, cost, value)[["network_id", cost, value]].to_dict("records")
    ]
    tables = {"speedups": rows(comparison.speedups), "families": rows(comparison.families)}
    return {**tables, "fronts": fronts, "pairs": pairs}
