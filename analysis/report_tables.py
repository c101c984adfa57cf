"""The report's tables, from a study's rows to markup."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from blockfront.analysis.correlation import rank_correlations
from blockfront.analysis.families import best_at_budgets, family_table, study_box
from blockfront.analysis.figure_style import predicted_between, source_words
from blockfront.analysis.frame import tidy, usable
from blockfront.analysis.metrics import OBJECTIVES, Objectives, intervals
from blockfront.analysis.pareto import front
from blockfront.analysis.report_page import Html, breakable, escape, table, tag
from blockfront.analysis.seeds import covered
from blockfront.analysis.statistics import MIN_NETWORKS, drawn_together
from blockfront.analysis.swaps import swaps
from blockfront.plurals import counted
from blockfront.results import METRICS, MISSING, Metric

SIZES = ("macs", "params")
_CHEAPEST = 20


def _metric(metric: Metric, value: float, low: float, high: float) -> Html:
    return _value(metric.number(value), metric.number(low), metric.number(high))


def _percent(value: float, low: float, high: float, digits: int = 0) -> Html:
    return _value(*(f"{100 * x:.{digits}f}" if math.isfinite(x) else MISSING for x in (value, low, high)))


def _value(value: str, low: str, high: str) -> Html:
    if MISSING in (low, high):
        return escape(value)
    return Html(f"{escape(value)} {tag('span', f'[{low}, {high}]', class_='soft')}")


def networks_table(rows: pd.DataFrame, caption: str, source: str, objectives: Objectives = OBJECTIVES) -> Html:
    """One row a network of a tidy table: cost and value with their intervals, latency source, sizes, id, text.

    Other metrics that hold for one target are told where there are any; `source` is that of the table's latencies.
    """
    cost, value = objectives.metrics
    timed = [m for m in METRICS.values() if m.depends_on == "target" and (m == cost or rows[m.key].notna().any())]
    before = [] if cost in timed else [cost]
    after = [value] if rows[value.key].notna().any() else []
    sizes = [METRICS[key] for key in SIZES if key != cost.key]
    first, others = timed[:1], timed[1:]
    columns = [
        "family",
        *(f">{metric.title}" for metric in before),
        *(f">{metric.label}\u00a0({metric.unit}{', ' + source if source else ''})" for metric in first),
        *(f">{metric.short} ({metric.unit})" for metric in after),
        *("~latency source" for _ in first),
        *(f">{metric.title}" for metric in (*others, *sizes)),
        "id",
        "~network",
    ]
    bounds = {metric.key: intervals(metric, rows) for metric in (*before, *timed, *after)}
    lines = []
    for place, (_, row) in enumerate(rows.iterrows()):
        cells = {key: _metric(METRICS[key], row[key], *bounds[key][place]) for key in bounds}
        told: list[object] = [cells[metric.key] for metric in (*before, *first, *after)]
        told += [", ".join(filter(None, (source_words(row), predicted_between(row)))) for _ in first]
        told += [cells[metric.key] for metric in others]
        told += [metric.number(row[metric.key]) for metric in sizes]
        lines.append([row["family"], *told, tag("code", row["network_id"]), breakable(row["network"])])
    return table(caption, columns, lines)


def front_table(df: pd.DataFrame, source: str, objectives: Objectives = OBJECTIVES) -> Html:
    """The merged front of value against cost, the least cost first."""
    rows = front(df, objectives.cost, objectives.value)
    caption = f"Networks on the front, {objectives.metrics[0].superlative} first"
    return networks_table(rows, caption, source, objectives)


def cheapest_table(df: pd.DataFrame, source: str, objectives: Objectives = OBJECTIVES) -> Html:
    """The networks of least cost, for studies without a value."""
    cost = objectives.metrics[0]
    rows = usable(df, cost.key).sort_values([cost.key, "network_id"])
    shown = rows.head(_CHEAPEST)
    of = counted(len(rows), "network")
    caption = f"{len(shown)} of {of} with known {cost.label}, {cost.superlative} first"
    return networks_table(shown, caption, source, objectives)


def families_table(
    df: pd.DataFrame, source: str, budgets: Sequence[float], objectives: Objectives = OBJECTIVES
) -> Html:
    """One row a family: sample sizes, share of the front, hypervolume, best value within each budget."""
    cost, value = objectives.metrics
    shares = family_table(df, objectives)
    best = best_at_budgets(df, budgets, objectives).set_index(["family", "budget"]) if len(budgets) else None
    columns = ["family", ">networks", ">finished", ">on front", ">share of front (%)", ">hypervolume (%)"]
    columns += [f">best {value.short} ({value.unit}) within {budget * cost.scale:g} {cost.unit}" for budget in budgets]
    lines = []
    for row in shares.to_dict("records"):
        line: list[object] = [row["family"], row["networks"], row["finished"], row["on_front"]]
        line.append(_percent(row["share"], row["share_low"], row["share_high"]))
        line.append(_percent(row["hypervolume"], row["hypervolume_low"], row["hypervolume_high"], digits=1))
        for budget in budgets:
            if best is None or (row["family"], budget) not in best.index:
                line.append(MISSING)
                continue
            found = best.loc[(row["family"], budget)]
            line.append(_metric(value, found["value"], found["value_low"], found["value_high"]))
        lines.append(line)
    return table(f"Families ({sourced(cost, source)}), largest share of the front first", columns, lines)


def swaps_table(df: pd.DataFrame, source: str, objectives: Objectives = OBJECTIVES) -> Html | None:
    """What each other block costs and gives in the skeletons of the family with the largest share of the front; None
    where networks were not drawn in pairs."""
    cost, value = objectives.metrics
    reference = str(family_table(df, objectives, draws=1)["family"].iloc[0])
    found = swaps(df, reference, objectives)
    if found.empty:
        return None
    columns = ["family", ">skeletons", f">{cost.label} ratio", ">trained", f">{value.short} difference ({value.unit})"]
    lines = []
    for row in found.to_dict("records"):
        ratio = _value(*(f"{row[f'cost_ratio{end}']:.2f}".replace("nan", MISSING) for end in ("", "_low", "_high")))
        step = _metric(value, *(row[f"difference{end}"] for end in ("", "_low", "_high")))
        lines.append([row["family"], row["skeletons"], ratio, row["trained"], step])
    caption = f"Swapping {reference} for another block in the same skeleton ({sourced(cost, source)})"
    return table(caption, columns, lines)


def sourced(cost: Metric, source: str) -> str:
    """The cost's label, with the source of its values where they hold for one target: "latency predicted"."""
    return f"{cost.label} {source}" if cost.depends_on == "target" else cost.label


def families_note(df: pd.DataFrame, objectives: Objectives = OBJECTIVES) -> str:
    """What the families table's numbers mean, with the corner its hypervolumes are bounded by."""
    box = study_box(df, objectives)
    cost, value = objectives.metrics
    pairs = drawn_together(tidy(df))
    resampled = "skeletons with all their networks resampled" if pairs else "networks resampled"
    return (
        f"Finished: with {cost.label} and {value.noun}. Share: of the networks on the merged front. Hypervolume: the "
        f"area the family's own front dominates, of the rectangle from {cost.text(box.cost)} at "
        f"{value.text(box.value)} to {cost.text(box.ideal_cost)} at {value.text(box.ideal_value)}. "
        f"Brackets: 95 % bootstrap intervals, {resampled} with replacement within the study. They cover "
        f"{covered(tidy(df), objectives)}. A resample can lose good networks and never finds better ones, so after one "
        f"training each, intervals of hypervolume and best {value.noun} end at the value itself. No interval is given "
        f"below {MIN_NETWORKS} networks."
    )


def correlations_table(df: pd.DataFrame, source: str, objectives: Objectives = OBJECTIVES) -> Html:
    """Rank correlations of MACs, activations and parameters with the cost, overall and in the middle band."""
    lines = []
    macs, label = METRICS["macs"], objectives.metrics[0].label
    for row in rank_correlations(df, objectives).to_dict("records"):
        band = "all networks"
        if row["band"] == "middle":
            band = f"{macs.number(row['macs_low'])} to {macs.text(row['macs_high'])} MACs (middle third)"
        rho, low_high = (MISSING, f"fewer than {MIN_NETWORKS}")
        if math.isfinite(row["rho"]):
            rho, low_high = f"{row['rho']:.2f}", f"[{row['rho_low']:.2f}, {row['rho_high']:.2f}]"
        lines.append([METRICS[row["proxy"]].label, band, row["n"], rho, low_high])
    columns = ["proxy", "networks", ">n", ">Spearman", ">95 % interval"]
    return table(f"Rank correlation with {label} ({source})", columns, lines)


def failures_table(df: pd.DataFrame) -> Html | None:
    """Failed networks by the first line of their error, the most frequent first; None when none failed."""
    failed = tidy(df)
    failed = failed[failed["state"] == "failed"]
    if failed.empty:
        return None
    reason = failed["error"].map(lambda error: (error.strip().splitlines() or ["no reason recorded"])[0][:400])
    lines = []
    for text, rows in sorted(failed.groupby(reason), key=lambda item: (-len(item[1]), item[0])):
        families = ", ".join(sorted(set(rows["family"])))
        lines.append([len(rows), text, families, tag("code", rows["network_id"].iloc[0])])
    return table("Failed networks by reason", [">networks", "~reason", "families", "for example"], lines)


def comparison_table(pairs: pd.DataFrame, objectives: Objectives = OBJECTIVES) -> Html:
    """The pairs of `compare_studies`, by the cost of `objectives`."""
    lines = []
    for row in pairs.to_dict("records"):
        rho, low_high = (MISSING, f"fewer than {MIN_NETWORKS}")
        if math.isfinite(row["rho"]):
            rho, low_high = f"{row['rho']:.2f}", f"[{row['rho_low']:.2f}, {row['rho_high']:.2f}]"
        fronts = f"{row['both_fronts']} (of {row['a_front']} and {row['b_front']})"
        names = [f"{row[side]} ({row[side + '_source'] or 'unknown source'})" for side in ("a", "b")]
        lines.append([*names, row["shared"], rho, low_high, fronts])
    columns = [
        "study",
        "study",
        ">shared networks",
        f">Spearman of {objectives.metrics[0].label}",
        ">95 % interval",
        ">on both fronts",
    ]
    return table("How alike two studies rank the networks they share", columns, lines)
