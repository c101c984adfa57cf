"""Rows of single processes to medians, ratios and Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

OURS = "bench"


@dataclass(frozen=True)
class Cell:
    """One engine on one network; the times are None where it failed, the ratio (ours / its) where either did."""

    network: str
    family: str | None
    threads: int
    engine: str
    median_ms: float | None
    ratio: float | None
    process_medians_ms: tuple[float, ...]
    version: str | None


def compare(rows: Sequence[dict[str, Any]]) -> list[Cell]:
    """A cell for each engine, network and number of threads; ratios pair the processes of a round."""
    grouped: dict[tuple[str, int, str], list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault((row["network"], row["threads"], row["engine"]), []).append(row)
    times = {
        key: {row["round"]: row["median_ms"] for row in found if "error" not in row} for key, found in grouped.items()
    }
    cells = []
    for (network, threads, engine), theirs in times.items():
        ours = times.get((network, threads, OURS), {})
        ratios = [ours[number] / theirs[number] for number in ours.keys() & theirs.keys()]
        found = grouped[network, threads, engine]
        cells.append(
            Cell(
                network=network,
                family=found[0]["family"],
                threads=threads,
                engine=engine,
                median_ms=statistics.median(theirs.values()) if theirs else None,
                ratio=statistics.median(ratios) if ratios else None,
                process_medians_ms=tuple(theirs.values()),
                version=next((row["version"] for row in found if "error" not in row), None),
            )
        )
    return cells


def table(cells: Sequence[Cell], engines: Sequence[str]) -> str:
    """Markdown: a row a model, a row a family, and what they come to against each engine."""
    models = [cell for cell in cells if cell.family is None]
    sampled = [cell for cell in cells if cell.family is not None]
    parts = []
    if models:
        parts.append(_model_table(models, engines))
    others = [engine for engine in engines if engine != OURS]
    if OURS in engines and others:
        if sampled:
            parts.append(_family_table(sampled, others))
        parts.append(_summary(models, sampled, others))
    versions = {cell.engine: cell.version for cell in cells if cell.version}
    parts.append("Versions: " + ", ".join(f"{engine} {versions[engine]}" for engine in engines if engine in versions))
    return "\n\n".join(parts)


def _model_table(cells: Sequence[Cell], engines: Sequence[str]) -> str:
    found = {(cell.network, cell.threads, cell.engine): cell for cell in cells}
    heads = [f"{engine} ms" + " (ours / its)" * (OURS in engines and engine != OURS) for engine in engines]
    rows = []
    for network, threads in sorted({(cell.network, cell.threads) for cell in cells}):
        rows.append([network, str(threads), *(_times(found[network, threads, engine]) for engine in engines)])
    return markdown(["model", "threads", *heads], rows)


def _times(cell: Cell) -> str:
    if cell.median_ms is None:
        return "-"
    return f"{cell.median_ms:.2f}" + (f" ({cell.ratio:.2f})" if cell.ratio and cell.engine != OURS else "")


def _family_table(cells: Sequence[Cell], others: Sequence[str]) -> str:
    rows = []
    for family, threads in sorted({(str(cell.family), cell.threads) for cell in cells}):
        values = []
        for engine in others:
            its = _ratios([c for c in cells if (c.family, c.threads, c.engine) == (family, threads, engine)])
            values.append(f"{_mean(its):.2f}, {max(its.values()):.2f}, {len(its)}" if its else "-")
        rows.append([family, str(threads), *values])
    heads = [f"ours / {engine}: mean, worst, count" for engine in others]
    return markdown(["family", "threads", *heads], rows)


def _summary(models: Sequence[Cell], sampled: Sequence[Cell], others: Sequence[str]) -> str:
    everything = [*models, *sampled]
    groups = {"models": models, "sampled": sampled}
    if models and sampled:
        groups["all"] = everything
    families = {cell.network: cell.family for cell in sampled}
    notes: dict[str, str] = {}
    rows = []
    for engine, threads in product(others, sorted({cell.threads for cell in everything})):
        for name, cells in groups.items():
            its = _ratios([cell for cell in cells if (cell.engine, cell.threads) == (engine, threads)])
            if not its:
                continue
            worst = max(its, key=its.__getitem__)
            which = worst
            if worst in families:
                which = notes.setdefault(worst, f"{families[worst]} [{len(notes) + 1}]")
            rows.append([engine, str(threads), name, str(len(its)), f"{_mean(its):.2f}", f"{its[worst]:.2f}", which])
    summary = markdown(["ours /", "threads", "networks", "count", "geometric mean", "worst", "which"], rows)
    return "\n".join([summary, "", *(f"- {which}: `{text}`" for text, which in notes.items())]).strip()


def _ratios(cells: Sequence[Cell]) -> dict[str, float]:
    return {cell.network: cell.ratio for cell in cells if cell.ratio}


def _mean(ratios: dict[str, float]) -> float:
    return statistics.geometric_mean(ratios.values())


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [heads, ["---"] * len(heads), *rows])
