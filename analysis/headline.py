"""What a study says, as sentences computed from its numbers."""

from __future__ import annotations

import math

import pandas as pd

from blockfront.analysis.correlation import rank_correlations
from blockfront.analysis.families import default_budgets, family_table, lead
from blockfront.analysis.figure_style import source_words
from blockfront.analysis.frame import tidy, usable
from blockfront.analysis.metrics import OBJECTIVES, Objectives
from blockfront.analysis.pareto import front
from blockfront.analysis.statistics import MIN_NETWORKS, drawn_together
from blockfront.analysis.stopping import stopped_early
from blockfront.plurals import counted
from blockfront.results import METRICS, Metric


def headline(df: pd.DataFrame, objectives: Objectives = OBJECTIVES, draws: int = 1000, seed: int = 0) -> list[str]:
    """Plain sentences on one study and one latency source: who owns the front, who leads where, how sure.

    Says what is missing when networks lack the cost or the value, and "not enough networks" below 5. Raises
    UsageError when the rows mix targets or latency sources.
    """
    table = tidy(df)
    cost, value = objectives.metrics
    known, both = usable(df, cost.key), usable(df, cost.key, value.key)
    if table.empty:
        return ["No networks yet."]
    if known.empty and (table["state"] == "rejected").any():
        reasons = ", ".join(sorted(set(table["rejected"]) - {""}))
        rejected = f"{(table['state'] == 'rejected').sum()} of {counted(len(table), 'network')}"
        return [f"Nothing to compare: {rejected} did not meet their space's constraints ({reasons})."]
    if known.empty:
        return [f"No {cost.label} yet: none of the {counted(len(table), 'network')} has any, so there is no front."]
    if both.empty:
        low, high = known[cost.key].min(), known[cost.key].max()
        return [
            f"No {value.noun} yet, so there is no front: {counted(len(known), 'network')} with known {cost.label}, "
            f"from {cost.text(low)} to {cost.text(high)}.",
            *_proxy_sentence(df, objectives, draws, seed),
            *_source_sentence(known, cost),
        ]
    if len(both) < MIN_NETWORKS:
        return [
            f"Not enough networks to compare: {len(both)} of {len(table)} have both {cost.label} and {value.noun}; "
            f"a comparison needs {MIN_NETWORKS}.",
            *_source_sentence(both, cost),
        ]
    families = family_table(df, objectives, draws=draws, seed=seed)
    return [
        *_owner_sentence(both, families, len(front(df, cost.key, value.key))),
        *_lead_sentence(df, objectives, draws, seed),
        *_pairs_sentence(both),
        *stopped_sentence(df, objectives),
        _front_sentence(df, objectives, both, families),
        *_proxy_sentence(df, objectives, draws, seed),
        *_source_sentence(both, cost),
    ]


def _front_sentence(df: pd.DataFrame, objectives: Objectives, both: pd.DataFrame, families: pd.DataFrame) -> str:
    cost, value = objectives.metrics
    best = front(df, cost.key, value.key)
    first, last = best.iloc[0], best.iloc[-1]
    owners = int((families["on_front"] > 0).sum())
    reach = f"{value.text(first[value.key])} at {cost.text(first[cost.key])}"
    if len(best) > 1:
        reach = f"from {reach} to {value.text(last[value.key])} at {cost.text(last[cost.key])}"
    noun = "family" if owners == 1 else "families"
    size = f"{len(best)} of {counted(len(both), 'network')}"
    return f"The front holds {size}, from {owners} {noun}: {value.short} {reach}."


def _owner_sentence(both: pd.DataFrame, families: pd.DataFrame, size: int) -> list[str]:
    finished = families[families["finished"] > 0]
    if len(finished) == 1:
        return []
    owners = families[families["on_front"] > 0]
    owner = owners.iloc[0]
    counts = f"{owner['on_front']} of {counted(size, 'network')}, {_share(owner)}"
    if finished["finished"].median() < MIN_NETWORKS:
        level = list(owners.loc[owners["on_front"] == owner["on_front"], "family"])
        most = f"{owner['family']} has the most of the front ({counts})"
        if len(level) > 1:
            names = f"{', '.join(level[:-1])} and {level[-1]}"
            most = f"{names} have the most of the front ({owner['on_front']} of {counted(size, 'network')} each)"
        return [
            f"Not enough networks to rank families: {counted(len(both), 'network')} over "
            f"{counted(len(finished), 'family')} is mostly fewer than {MIN_NETWORKS} each. "
            f"{most}, which so far says more about single networks than about families."
        ]
    sentence = f"{owner['family']} owns the largest share of the front ({counts})"
    if len(owners) > 1:
        second = owners.iloc[1]
        sentence += f", then {second['family']} ({_share(second)})"
        if second["share_high"] >= owner["share_low"]:
            sentence += "; their intervals overlap, so this sample does not settle the order"
    return [sentence + "."]


def _lead_sentence(df: pd.DataFrame, objectives: Objectives, draws: int, seed: int) -> list[str]:
    cost, value = objectives.metrics
    budgets = default_budgets(df, objectives)
    leads = [found for found in (lead(df, budget, objectives, draws, seed) for budget in budgets) if found]
    if not leads:
        return []
    middle = leads[len(leads) // 2]
    margin, low, high = (value.number(part) for part in (middle.margin, middle.margin_low, middle.margin_high))
    interval = f"95 % interval {low} to {high}"
    if middle.margin_low <= 0:
        interval += ", so this sample does not settle who leads"
    unit = "points" if value.is_share else value.unit
    than = "more than" if objectives.sign > 0 else "less than"
    return [
        f"Within {middle.budget * cost.scale:g} {cost.unit}, {middle.family} reaches {value.text(middle.value)} "
        f"{value.short}, {margin} {unit} {than} {middle.runner_up} ({interval})."
    ]


def stopped_sentence(df: pd.DataFrame, objectives: Objectives = OBJECTIVES) -> list[str]:
    """How many trainings were stopped early, and what that may have cost the front; empty where none was."""
    found = stopped_early(df, objectives)
    if found is None:
        return []
    loss = f"would be {found.loss:.1%} larger" if math.isfinite(found.loss) else "is not known"
    return [
        f"Training stopped early for {found.stopped} of {counted(found.networks, 'network')}, after {found.epochs:.0%} "
        f"of all epochs: had each reached the upper end of its 80 % forecast, the front's hypervolume {loss}. A "
        "family's own hypervolume, bests and ratios of cost know finished networks alone."
    ]


def _pairs_sentence(both: pd.DataFrame) -> list[str]:
    """How families were compared, where their networks share skeletons."""
    if not drawn_together(both):
        return []
    sizes = both.groupby(["study", "skeleton"])["family"].nunique()
    whole = int((sizes == both["family"].nunique()).sum())
    skeletons = f"{whole} of {counted(len(sizes), 'skeleton')}"
    return [
        f"Families are compared in pairs: {skeletons} have a finished network of every family, and intervals resample "
        "skeletons."
    ]


def _proxy_sentence(df: pd.DataFrame, objectives: Objectives, draws: int, seed: int) -> list[str]:
    cost = objectives.metrics[0]
    if cost.depends_on != "target":
        return []
    rows = rank_correlations(df, objectives, draws=draws, seed=seed)
    rows = rows[(rows["band"] == "middle") & rows["rho"].notna()]
    if rows.empty:
        return []
    best = rows.sort_values("rho", kind="stable").iloc[-1]
    if not best["rho_low"] > 0:
        return []
    macs = METRICS["macs"]
    sentence = (
        f"Among networks of {macs.number(best['macs_low'])} to {macs.text(best['macs_high'])} MACs "
        f"(n = {best['n']}), {METRICS[best['proxy']].label} rank {cost.label} best: Spearman {best['rho']:.2f} "
        f"(95 % interval {best['rho_low']:.2f} to {best['rho_high']:.2f})"
    )
    own = rows[rows["proxy"] == "macs"]
    if best["proxy"] != "macs" and len(own):
        sentence += f", against {own['rho'].iloc[0]:.2f} for MACs"
    return [sentence + "."]


def _source_sentence(table: pd.DataFrame, cost: Metric) -> list[str]:
    row = table.iloc[0]
    if row["latency_source"] == "measured" or cost.depends_on != "target":
        return []
    target = row["target"] or "target"
    label = cost.label[0].upper() + cost.label[1:]
    if row["latency_source"] == "measured elsewhere":
        return [f"{label} on {target} is {source_words(row)}: nothing was timed here."]
    return [f"{label} is {source_words(row)}: no {target} was measured."]


def _share(row: pd.Series) -> str:
    text = f"{100 * row['share']:.0f} %"
    if math.isfinite(row["share_low"]):
        text += f", 95 % interval {100 * row['share_low']:.0f} to {100 * row['share_high']:.0f} %"
    return text


def unpruned_sentence(df: pd.DataFrame, drop: float | None) -> list[str]:
    """How many trained detectors, of those that may lose so much AP, have no part of theirs beside them."""
    table = tidy(df)
    complete = table[table["state"] == "complete"]
    whole = complete[complete["parent"] == ""]
    alone = int((~whole["network_id"].isin(complete["parent"])).sum())
    if drop is None or alone == 0:
        return []
    return [
        f"No pruned one stands beside {alone} of {counted(len(whole), 'detector')}: no more than {drop:g} AP to lose, "
        "or no anchors to do without."
    ]
