"""The report's tables, from a study's rows to markup."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from bench.analysis.correlation import rank_correlations
from bench.analysis.families import best_at_budgets, family_table, study_box
from bench.analysis.figure_style import source_words
from bench.analysis.frame import tidy, usable
from bench.analysis.metrics import METRICS, MISSING
from bench.analysis.pareto import front
from bench.analysis.report_page import Html, breakable, escape, table, tag
from bench.analysis.statistics import MIN_NETWORKS, wilson95

SIZES = ("macs", "params")


def _metric(key: str, value: float, low: float, high: float) -> Html:
    return _value(METRICS[key].number(value), METRICS[key].number(low), METRICS[key].number(high))


def _top1(row: pd.Series) -> Html:
    return _metric("top1", row["top1"], *wilson95(row["top1"], row["test_images"]))


def _percent(value: float, low: float, high: float, digits: int = 0) -> Html:
    return _value(*(f"{100 * x:.{digits}f}" if math.isfinite(x) else MISSING for x in (value, low, high)))


def _value(value: str, low: str, high: str) -> Html:
    if MISSING in (low, high):
        return escape(value)
    return Html(f"{escape(value)} {tag('span', f'[{low}, {high}]', class_='soft')}")


def networks_table(rows: pd.DataFrame, caption: str, source: str) -> Html:
    """One row a network: latency with interval and source, top-1 with Wilson's interval, sizes, id, text."""
    trained, energy = (bool(rows[key].notna().any()) for key in ("top1", "energy_mj"))
    columns = ["family", f">latency\u00a0(ms, {source})", "latency source"]
    columns += [f">{METRICS['energy_mj'].title}"] if energy else []
    columns += [">top-1 (%)"] if trained else []
    columns += [*(f">{METRICS[key].title}" for key in SIZES), "id", "~network"]
    lines = []
    for _, row in rows.iterrows():
        lines.append(
            [
                row["family"],
                _metric("latency_ms", row["latency_ms"], row["latency_ci95_low_ms"], row["latency_ci95_high_ms"]),
                source_words(row),
                *([METRICS["energy_mj"].number(row["energy_mj"])] if energy else []),
                *([_top1(row)] if trained else []),
                *(METRICS[key].number(row[key]) for key in SIZES),
                tag("code", row["network_id"]),
                breakable(row["network"]),
            ]
        )
    return table(caption, columns, lines)


def front_table(df: pd.DataFrame, source: str, metric: str = "latency_ms") -> Html:
    """The merged front of accuracy against `metric`, the least first."""
    first = "fastest first" if metric == "latency_ms" else f"least {METRICS[metric].label} first"
    return networks_table(front(df, metric), f"Networks on the front, {first}", source)


def latency_table(df: pd.DataFrame, source: str, most: int = 20) -> Html:
    """The fastest networks, for studies without accuracy."""
    rows = usable(df, "latency_ms").sort_values(["latency_ms", "network_id"])
    caption = f"The {min(most, len(rows))} fastest of {len(rows)} networks with a latency"
    return networks_table(rows.head(most), caption, source)


def families_table(df: pd.DataFrame, source: str, budgets: Sequence[float]) -> Html:
    """One row a family: sample sizes, share of the front, hypervolume, best top-1 within each budget."""
    shares = family_table(df)
    best = best_at_budgets(df, budgets).set_index(["family", "budget_ms"]) if len(budgets) else None
    columns = ["family", ">networks", ">finished", ">on front", ">share of front (%)", ">hypervolume (%)"]
    columns += [f">best top-1 (%) within {budget:g} ms" for budget in budgets]
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
            line.append(_metric("top1", found["top1"], found["top1_low"], found["top1_high"]))
        lines.append(line)
    return table(f"Families (latency {source}), largest share of the front first", columns, lines)


def families_note(df: pd.DataFrame) -> str:
    """What the families table's numbers mean, with the corner its hypervolumes are bounded by."""
    box = study_box(df)
    latency, top1 = METRICS["latency_ms"], METRICS["top1"]
    return (
        "Finished: with latency and accuracy. Share: of the networks on the merged front. Hypervolume: the "
        f"area the family's own front dominates, of the rectangle from {latency.text(box.latency_ms)} at "
        f"{top1.text(box.top1)} to {latency.text(box.ideal_latency_ms)} at {top1.text(box.ideal_top1)}. "
        "Brackets: 95 % bootstrap intervals, networks resampled with replacement within the study. They "
        "cover which networks were sampled, not training or timing noise nor the error of a prediction. A "
        "resample can lose good networks and never finds better ones, so intervals of hypervolume and best "
        f"accuracy end at the value itself. No interval is given below {MIN_NETWORKS} networks."
    )


def correlations_table(df: pd.DataFrame, source: str) -> Html:
    """Rank correlations of MACs, activations and parameters with latency, overall and in the middle band."""
    lines = []
    macs = METRICS["macs"]
    for row in rank_correlations(df).to_dict("records"):
        band = "all networks"
        if row["band"] == "middle":
            band = f"{macs.number(row['macs_low'])} to {macs.text(row['macs_high'])} MACs (middle third)"
        rho, low_high = (MISSING, f"fewer than {MIN_NETWORKS}")
        if math.isfinite(row["rho"]):
            rho, low_high = f"{row['rho']:.2f}", f"[{row['rho_low']:.2f}, {row['rho_high']:.2f}]"
        lines.append([METRICS[row["proxy"]].label, band, row["n"], rho, low_high])
    columns = ["proxy", "networks", ">n", ">Spearman", ">95 % interval"]
    return table(f"Rank correlation with latency ({source})", columns, lines)


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


def comparison_table(pairs: pd.DataFrame, what: str = "latency") -> Html:
    """The pairs of `compare_studies`, by `what`."""
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
        f">Spearman of {what}",
        ">95 % interval",
        ">on both fronts",
    ]
    return table("How alike two studies rank the networks they share", columns, lines)
