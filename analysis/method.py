"""How a study's numbers were made, in words: from its rows and from what was recorded with it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import pandas as pd

from blockfront.analysis.figure_style import source_words
from blockfront.analysis.frame import counting, tidy
from blockfront.analysis.metrics import OBJECTIVES, Objectives
from blockfront.analysis.report_page import Html, definitions, tag
from blockfront.plurals import counted
from blockfront.results import METRICS, Metric

SOURCE_MEANING = {
    "measured": "timed on the device named",
    "measured elsewhere": "timed by others with the tool named, and handed in; nothing was timed or checked here",
    "predicted": "computed by a model of the processor; nothing was timed on the target",
    "simulated": "computed by a simulator of the accelerator; nothing was timed on the target",
}


def _timed(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with a metric that holds for one target."""
    return table[table[[key for key in METRICS if METRICS[key].depends_on == "target"]].notna().any(axis=1)]


def study_facts(df: pd.DataFrame) -> str:
    """One line: target, latency sources, threads, data set, and how many networks are in which state."""
    table = tidy(df)
    parts = [_joined(table, "target")]
    timed = _timed(table)
    parts.append(", ".join(sorted({f"latency {source_words(row)}" for _, row in timed.iterrows()})))
    parts.append(_counted(table, "threads", "thread"))
    parts.append(_joined(table, "dataset"))
    states = table["state"].value_counts()
    order = ("complete", "stopped", "running", "waiting", "rejected", "failed")
    counts = [f"{states[name]} {name}" for name in sorted(states.index, key=lambda s: (s not in order, s))]
    parts.append(counted(len(table), "network") + (f": {', '.join(counts)}" if counts else ""))
    return " · ".join(part for part in parts if part)


def method_pairs(
    df: pd.DataFrame, provenance: Mapping[str, object], objectives: Objectives = OBJECTIVES
) -> list[tuple[str, object]]:
    """Terms and explanations, first what the rows say, then `provenance` as it was recorded."""
    table = tidy(df)
    pairs: list[tuple[str, object]] = []
    timed = _timed(table)
    for source in sorted(set(timed["latency_source"])):
        rows = timed[timed["latency_source"] == source]
        makers = sorted({source_words(row) for _, row in rows.iterrows()})
        meaning = SOURCE_MEANING.get(source, "of unknown origin")
        text = f"{', '.join(makers)}: {meaning}. {counted(len(rows), 'network')}, batch 1"
        for column, words in (("runner", "runner"), ("device", "device")):
            names = _joined(rows, column)
            text += f", {words} {names}" if names else ""
        threads = _counted(rows, "threads", "thread")
        text += f", {threads}." if threads else "."
        pairs.append((f"Latency ({source or 'unknown source'})", text))
        pairs += [("Error of the prediction", basis) for basis in sorted(set(rows.apply(_error, axis=1)) - {""})]
        pairs += _prediction_intervals(rows)
    pairs += _answer_pairs(table) + _simulation_pairs(timed) + _fallback_pairs(timed) + _check_pairs(timed)
    pairs += _value_pairs(table, objectives)
    pairs += [(str(term), _value(value)) for term, value in provenance.items()]
    return pairs


def _answer_pairs(table: pd.DataFrame) -> list[tuple[str, object]]:
    """What a segmenter's latency is for, and what follows a detector's."""
    pairs: list[tuple[str, object]] = []
    if answers := _joined(table, "answer"):
        pairs.append(("What a network gives", f"{answers}: its latency ends there."))
    if makers := _joined(table, "postprocess_toolchain"):
        found = table[table["postprocess_ms"].notna()]
        text = f"on what each of {counted(len(found), 'trained network')} gave for a test image, by {makers} in float32"
        pairs.append(("Post-processing", f"{text}, on one core; not in the latency."))
    return pairs


def _value_pairs(table: pd.DataFrame, objectives: Objectives) -> list[tuple[str, object]]:
    """What the value was taken on, what its interval covers, and what a front is."""
    cost, value = objectives.metrics
    trained = table[table[value.key].notna()]
    if trained.empty:
        return []
    pairs: list[tuple[str, object]] = []
    if value.depends_on == "dataset":
        facts = [_joined(trained, "dataset")]
        facts.append(_counted(trained, "test_images", "test image"))
        facts += [f"input of {pixels}" for pixels in filter(None, [_counted(trained, "resolution", "pixel")])]
        facts.append(_counted(trained, "epochs", "epoch"))
        facts.append(_joined(trained, "accuracy_source"))
        seeds = _numbers(trained[trained["trainings"].notna()], "seed")
        facts.append(f"seed {seeds}" if seeds else "")
        several = bool(trained["trainings"].max() > 1)
        facts.append(f"mean of {_counted(trained, 'trainings', 'training')}" if several else "")
        noun = value.noun[0].upper() + value.noun[1:]
        meaning = f" {_interval_meaning(value, several)}" if value.interval is not None else ""
        pairs.append((noun, ", ".join(fact for fact in facts if fact) + f".{meaning}"))
    front = (
        f"A network is on the front when no other is at least as good in {cost.label} and in {value.noun} and better "
        f"in one of the two; exact ties all stay. Failed networks and networks without {cost.label} or {value.noun} "
        "never count."
    )
    return [*pairs, ("Front", front)]


def _interval_meaning(value: Metric, several: bool) -> str:
    """What the interval of a value covers, after one training a network or several."""
    kind = "Wilson's 95 % interval for the number of test images"
    if not value.counted or several:
        kind = "A 95 % interval over the test images" + (" and the trainings" if several else "")
    covered = " and the trainings' randomness" if several else ", not the training's randomness"
    return (
        f"{kind}. It covers the finite test set{covered}, and the best of many networks looks a little better than "
        "it is."
    )


def _error(row: pd.Series) -> str:
    known = row["prediction_error"] == row["prediction_error"]
    if not known:
        return str(row["prediction_basis"])
    hits = row["prediction_within_tenth"]
    within = f", {hits:.0%} within 10 %" if hits == hits else ""
    spread = f"median {row['prediction_error']:.0%}, 90th percentile {row['prediction_error_p90']:.0%}{within}"
    return f"{spread}: {row['prediction_basis']}"


def _prediction_intervals(rows: pd.DataFrame) -> list[tuple[str, object]]:
    """How wide the intervals of predicted latencies are, and why."""
    rows = rows[rows["predicted90_low_ms"].notna()]
    if rows.empty:
        return []
    low, high = (rows[f"predicted90_{end}_ms"] / rows["latency_ms"] for end in ("low", "high"))
    text = (
        "a true latency is meant to lie in its interval nine times in ten, by errors elsewhere; it is no confidence "
        f"interval of a measurement. The intervals reach from {low.min():.2f} to {high.max():.2f} times the latency. "
        "Networks on one target mostly err the same way, so their order is surer than their milliseconds."
    )
    outside = sorted(set("; ".join(rows["prediction_outside"]).split("; ")) - {""})
    wider = f" They are wider than the errors because, for some or all, {', '.join(outside)}." if outside else ""
    return [("Interval of a prediction", f"{text}{wider}")]


def _simulation_pairs(timed: pd.DataFrame) -> list[tuple[str, object]]:
    """How much of the networks was simulated, and in which number format."""
    rows = timed[timed["simulated_macs"].notna()]
    if rows.empty:
        return []
    macs, written = rows["simulated_macs"].min(), rows["simulated_activations"].min()
    return [
        (
            "Simulation",
            f"in {_joined(rows, 'precision')}; the simulator models at least {macs:.1%} of a network's MACs and "
            f"{written:.0%} of the activation bytes it writes. Other operators cost the data they move; element-wise "
            "ones applied by the operator before, and addressing, are not modelled and cost nothing.",
        )
    ]


def _fallback_pairs(timed: pd.DataFrame) -> list[tuple[str, object]]:
    """How many networks an NPU does not do whole."""
    left = timed[timed["fallbacks"] != ""]
    if left.empty:
        return []
    text = f"{counted(len(left), 'network')} with operators that the NPU leaves to a processor, whose time is unknown: "
    counted_too = len(counting(left)) > 0
    how = "they count as if it were none." if counted_too else "no front has them (`bench report --fallbacks` does)."
    return [("Fallbacks", text + how)]


def _check_pairs(timed: pd.DataFrame) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    worst = timed["max_rel_error"].max()
    checked = int(timed["max_rel_error"].notna().sum())
    if math.isfinite(worst):
        where = _joined(timed, "verified_on")
        place = f" on {where}" if where else ""
        text = f"{counted(checked, 'compiled network')} compared with torch{place}: "
        pairs.append(("Outputs", text + f"at most {worst:.1e} relative error."))
    missing = int(timed["unscheduled_kernels"].fillna(0).sum())
    if missing:
        affected = int((timed["unscheduled_kernels"] > 0).sum())
        places = f"{counted(missing, 'kernel')} in {counted(affected, 'network')}"
        text = f"{places} had no schedule of ours; their latencies may be too high."
        pairs.append(("Unscheduled kernels", text))
    return pairs


def _value(value: object) -> Html | str:
    if isinstance(value, Mapping):
        if any(isinstance(item, Mapping | list | tuple) for item in value.values()):
            return definitions((str(term), _value(item)) for term, item in value.items())
        return ", ".join(f"{term} {item}" for term, item in value.items())
    if isinstance(value, list | tuple):
        if any(isinstance(item, Mapping | list | tuple) for item in value):
            return tag("pre", json.dumps(value, indent=1, default=str))
        return ", ".join(map(str, value))
    text = str(value)
    return tag("pre", text) if "\n" in text or text.startswith("bench ") else text


def _joined(table: pd.DataFrame, column: str) -> str:
    return ", ".join(sorted(set(table[column]) - {""}))


def _counted(table: pd.DataFrame, column: str, noun: str) -> str:
    """The numbers in a column with their noun, such as "1 thread" or "2, 4 threads"; "" where there are none."""
    if not (numbers := _numbers(table, column)):
        return ""
    return counted(1, noun) if numbers == "1" else f"{numbers} {counted(2, noun).removeprefix('2 ')}"


def _numbers(table: pd.DataFrame, column: str) -> str:
    return ", ".join(f"{number:g}" for number in sorted(set(table[column].dropna())))
