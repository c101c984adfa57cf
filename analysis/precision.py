"""The same networks in several number formats: what one saves at equal accuracy, and which families change places."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blockfront.analysis.frame import APART, tidy, usable
from blockfront.analysis.metrics import OBJECTIVES, Objectives
from blockfront.analysis.seeds import drawn_gains
from blockfront.analysis.speedup import accuracy_levels, least_costs, mean_ratio, speedups
from blockfront.analysis.statistics import MIN_NETWORKS, present
from blockfront.plurals import counted
from blockfront.results import interval95

PLAIN = "float32"


def precision_pairs(studies: Mapping[str, pd.DataFrame], objectives: Objectives = OBJECTIVES) -> list[tuple[str, str]]:
    """The names of studies alike in all but their number format, that in float32 with each other one; [] without any.

    Of several such groups it is the first. Alike means target, toolchain, threads, source and predictor of the latency,
    data set and recipe.
    """
    alike = [column for column, _ in APART if column != "precision"] + ["threads", "dataset", "recipe_hash"]
    found: dict[tuple[object, ...], dict[str, str]] = {}
    for name, frame in studies.items():
        rows = usable(frame, objectives.cost, objectives.value)
        values = [tuple(sorted({str(value) for value in rows[column]})) for column in alike]
        if len(formats := set(rows["precision"])) == 1:
            found.setdefault(tuple(values), {}).setdefault(formats.pop(), name)
    for names in found.values():
        others = [name for form, name in names.items() if form != PLAIN]
        if PLAIN in names and others:
            return [(names[PLAIN], other) for other in others]
    return []


@dataclass(frozen=True)
class TwoPrecisions:
    """Two studies that differ in their number format alone, float32 first: their names, formats and tables, and the
    `gains` of `precision_gains`."""

    names: tuple[str, str]
    formats: tuple[str, str]
    tables: tuple[pd.DataFrame, pd.DataFrame]
    gains: pd.DataFrame


def compare_precisions(studies: Mapping[str, pd.DataFrame], objectives: Objectives = OBJECTIVES) -> list[TwoPrecisions]:
    """Each two of the studies that `precision_pairs` names."""
    found = []
    for names in precision_pairs(studies, objectives):
        before, after = tidy(studies[names[0]]), tidy(studies[names[1]])
        form = str(usable(after, objectives.cost)["precision"].iloc[0])
        gains = precision_gains(before, after, objectives)
        found.append(TwoPrecisions(names, (PLAIN, form), (before, after), gains))
    return found


def precision_gains(
    before: pd.DataFrame, after: pd.DataFrame, objectives: Objectives = OBJECTIVES, draws: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """One row for each family with 5 finished networks or more in both: what its cost is divided by, the most first.

    A family's cost at an accuracy (or another value) is the least of its networks that are at least as accurate, each
    format by its own accuracy, at the deciles of all accuracies. Columns: family, networks_before, networks_after,
    place_before, place_after (1 for the family that costs least at equal accuracy), levels (accuracies reached in
    both), gain (geometric mean over them of cost before over cost after), gain_low, gain_high (95 % percentile
    interval, networks resampled, each with both its results, and training seeds; widened to hold the gain).
    """
    levels = accuracy_levels(pd.concat([before, after], ignore_index=True), objectives)
    at = objectives.sign * np.asarray(levels, dtype=np.float64)
    tables = [usable(frame, objectives.cost, objectives.value) for frame in (before, after)]
    places = [_places(speedups(table, objectives, levels, draws=1)) for table in tables]
    networks = sorted({*tables[0]["network_id"], *tables[1]["network_id"]})
    drawn = present(len(networks), draws, seed) if networks else np.zeros((draws, 0), dtype=bool)
    rows = []
    for family in sorted(set(tables[0]["family"]) & set(tables[1]["family"])):
        own = [table[table["family"] == family].reset_index(drop=True) for table in tables]
        if min(map(len, own)) < MIN_NETWORKS:
            continue
        whole = [_costs(table, objectives, np.ones((1, len(table)), dtype=bool), at, 1, seed) for table in own]
        masks = [drawn[:, np.searchsorted(networks, table["network_id"])] for table in own]
        redrawn = [_costs(*both, at, draws, seed) for both in zip(own, [objectives] * 2, masks, strict=True)]
        reached = np.isfinite(whole[0][0]) & np.isfinite(whole[1][0])
        gain = float(mean_ratio(*whole)[0])
        low, high = interval95(mean_ratio(redrawn[0][:, reached], redrawn[1][:, reached]))
        ranks = [place.get(family, math.nan) for place in places]
        rows.append((family, *map(len, own), *ranks, int(reached.sum()), gain, min(low, gain), max(high, gain)))
    columns = ["family", "networks_before", "networks_after", "place_before", "place_after", "levels", "gain"]
    result = pd.DataFrame(rows, columns=[*columns, "gain_low", "gain_high"])
    return result.sort_values(["gain", "family"], ascending=[False, True], ignore_index=True)


def precision_sentences(compared: TwoPrecisions, objectives: Objectives = OBJECTIVES) -> list[str]:
    """What the gains say, in words: how much the second format saves, on which families, and who changes places."""
    cost, value = objectives.metrics
    (before, after), gains = compared.formats, compared.gains
    known = gains[gains["gain"].notna()]
    if known.empty:
        return [f"Not enough networks in both {before} and {after} to compare the two at equal {value.noun}."]
    most, least = known.iloc[0], known.iloc[-1]
    lines = [
        f"At equal {value.noun}, {after} divides {cost.label} by {known['gain'].median():.2f} in the median of "
        f"{counted(len(known), 'family')}: most for {_gain(most)}, least for {_gain(least)}."
    ]
    moved = known[known["place_before"].notna() & (known["place_before"] != known["place_after"])]
    if moved.empty:
        return [*lines, f"No family changes its place from {before} to {after}."]
    moves = [
        f"{row['family']} from {row['place_before']:.0f} to {row['place_after']:.0f}"
        for row in moved.sort_values("place_after").to_dict("records")
    ]
    return [
        *lines,
        f"Families by {cost.label} at equal {value.noun} change places from {before} to {after}: {', '.join(moves)}.",
    ]


def _gain(row: pd.Series) -> str:
    return f"{row['family']}, by {row['gain']:.2f} (95 % interval {row['gain_low']:.2f} to {row['gain_high']:.2f})"


def _costs(
    table: pd.DataFrame,
    objectives: Objectives,
    holds: NDArray[np.bool_],
    at: NDArray[np.float64],
    draws: int,
    seed: int,
) -> NDArray[np.float64]:
    gains = drawn_gains(table, objectives, draws, seed) if draws > 1 else objectives.gains(table)[None]
    return least_costs(objectives.costs(table), gains, holds, at)


def _places(table: pd.DataFrame) -> dict[str, float]:
    """The families of `speedups` by rank: the best is the first."""
    if table.empty:
        return {}
    ordered = [table["best"].iloc[0], *table[table["speedup"].notna()].sort_values("speedup")["family"]]
    return {family: float(place) for place, family in enumerate(ordered, 1)}
