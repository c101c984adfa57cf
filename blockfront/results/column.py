"""What a column is, and the ways in which one follows from a result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from blockfront.results.latency import ELSEWHERE
from blockfront.results.metric import Metric
from blockfront.results.result import Result
from blockfront.results.training import Score, Training, counted_share, mean_score, seed_spread

Kind = Literal["text", "whole", "real"]
DTYPES: dict[Kind, str] = {"text": "str", "whole": "Int64", "real": "float64"}
"""The pandas type of each kind of column."""


@dataclass(frozen=True)
class Scored:
    """What defines the columns of a metric that a task's evaluator fills, as a study keeps it: see `score_columns`."""

    unit: str
    title: str
    metric: Metric


@dataclass(frozen=True)
class Column:
    """One column: `kind` is text, whole (integer, may be missing) or real (float64, NaN when missing).

    `of` gives the value from a result, None where the result has none. A column that networks are compared by has a
    `metric`. A `provisional` one is as a study says that has it, until somebody here defines it.
    """

    name: str
    kind: Kind
    unit: str
    title: str
    of: Callable[[Result], Any]
    metric: Metric | None = None
    provisional: bool = False


def path(names: str) -> Callable[[Result], Any]:
    """What stands in a result under names joined by dots; None as soon as one of them is None."""
    fields = names.split(".")

    def of(result: Result) -> Any:
        value: Any = result
        for field in fields:
            if value is None:
                return None
            value = getattr(value, field)
        return value

    return of


def count(names: str) -> Callable[[Result], Any]:
    """How many of them stand in a result under names joined by dots; None where `path` gives None."""
    found = path(names)
    return lambda result: None if (values := found(result)) is None else len(values)


def seed_column(key: str) -> str:
    """The column that says how much a metric varies over a network's trainings."""
    return f"{key}_seed_sd"


def score_columns(unit: str, title: str, metric: Metric) -> tuple[Column, ...]:
    """The columns of a metric that a task's evaluator fills: its mean over the trainings, its interval's ends, and its
    standard deviation over the trainings.

    These are `KEY`, `KEY_ci95_low`, `KEY_ci95_high` and `KEY_seed_sd`; the metric's values hold for a data set.
    """
    spread = Column(
        seed_column(metric.key),
        "real",
        unit,
        f"standard deviation of {metric.key} over training seeds; missing where there is one",
        lambda result: seed_spread(result.trainings, metric.key),
    )
    mean = _with_interval(unit, title, metric, lambda result: mean_score(result.trainings, metric.key))
    return (*mean, spread)


def before_columns(adaptation: str, score: str, unit: str, title: str, metric: Metric) -> tuple[Column, Column, Column]:
    """The same of what `score` was before an adaptation of the network."""

    def of(result: Result) -> Score | None:
        found = result.adaptations.get(adaptation)
        return None if found is None else found.before.get(score)

    return _with_interval(unit, title, metric, of)


def change_columns(unit: str, title: str, metric: Metric) -> tuple[Column, Column, Column]:
    """The same of what an adaptation changed, which may be below 0."""
    return _with_interval(unit, title, metric, lambda result: changed(result, metric.key))


def changed(result: Result, name: str) -> Score | None:
    """What an adaptation found under a name of its own."""
    return next((found.changes[name] for found in result.adaptations.values() if name in found.changes), None)


def adapted_columns(title: str, metric: Metric) -> tuple[Column, Column, Column]:
    """The same of a share of the test images that an adaptation found."""

    def of(result: Result) -> Score | None:
        shares = [found.shares[metric.key] for found in result.adaptations.values() if metric.key in found.shares]
        images = of_training(result, lambda training: training.test_images)
        return counted_share(shares[0], images) if shares and images else None

    return _with_interval("0 to 1", title, metric, of)


def _with_interval(
    unit: str, title: str, metric: Metric, of: Callable[[Result], Score | None]
) -> tuple[Column, Column, Column]:
    low, high = f"{metric.key}_ci95_low", f"{metric.key}_ci95_high"
    metric = replace(metric, interval=(low, high), depends_on="dataset")
    of = _within_shares(of) if metric.is_share else of
    return (
        Column(metric.key, "real", unit, title, lambda r: (score := of(r)) and score.value, metric),
        Column(
            low, "real", unit, f"lower end of {metric.key}'s 95 % interval", lambda r: (score := of(r)) and score.low
        ),
        Column(
            high, "real", unit, f"upper end of {metric.key}'s 95 % interval", lambda r: (score := of(r)) and score.high
        ),
    )


def _within_shares(of: Callable[[Result], Score | None]) -> Callable[[Result], Score | None]:
    """With an interval from 0 to 1, beyond which that of a few trainings may reach."""

    def bounded(result: Result) -> Score | None:
        score = of(result)
        if score is None or score.low is None or score.high is None:
            return score
        return replace(score, low=max(0.0, score.low), high=min(1.0, score.high))

    return bounded


def latency_end(result: Result, end: int) -> float | None:
    """An end of a measured latency's interval, 0 or 1."""
    return result.latency.ci95_ms[end] if result.latency and result.latency.ci95_ms else None


def total_ms(result: Result) -> float | None:
    """A latency with what follows it; None where one of the two is not known."""
    if result.latency is None or result.postprocess is None:
        return None
    return result.latency.median_ms + result.postprocess.ms


def total_missing(result: Result) -> str | None:
    """Why a detector's latency is without what follows it; None where it has that, and of other networks."""
    if result.network is None or result.network.boxes is None or result.latency is None or total_ms(result) is not None:
        return None
    if result.candidates is None:
        return "no outputs of the trained network: post-processing takes longer the more it finds"
    if result.latency.source == ELSEWHERE:
        return "the tool that measured the latency timed the network alone"
    return "post-processing is code for processors"


def sample_percentile(result: Result, percent: int) -> float | None:
    """The least sample that so many per cent of a latency's samples do not exceed; None where it has none."""
    samples = sorted(result.latency.samples_ms) if result.latency else []
    return samples[-(-len(samples) * percent // 100) - 1] if samples else None


def predicted_end(result: Result, end: int) -> float | None:
    """An end of a predicted latency's interval, 0 or 1."""
    prediction = result.latency and result.latency.prediction
    return prediction.interval_ms[end] if prediction and prediction.interval_ms else None


def outside(result: Result) -> str | None:
    """In what a latency is none of those that its prediction was judged on."""
    prediction = result.latency and result.latency.prediction
    return "; ".join(prediction.outside) if prediction and prediction.outside else None


def fallbacks(result: Result) -> str | None:
    """The operators that an NPU leaves to the processor, with their numbers."""
    npu = result.latency and result.latency.npu
    return ", ".join(f"{number} {name}" for name, number in npu.fallbacks.items()) if npu else None


def of_training(result: Result, of: Callable[[Training], Any]) -> Any:
    """What all trainings of a network share."""
    return of(result.trainings[0]) if result.trainings else None
