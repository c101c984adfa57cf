"""Tuning the kernels of networks that are worth it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any

from blockfront.errors import RunError

if TYPE_CHECKING:
    from blockfront.console.progress import Progress
    from blockfront.design_space.models import Model
    from blockfront.targets import Kernel, Measures, RunOptions
    from blockfront.targets.tuning.database import TuningDatabase, TuningRecord
    from blockfront.targets.tuning.tasks import TuningTask

_CANDIDATE_S = 20
_SESSION_S = 3600


def longest_tasks(
    models: Sequence[Model], meter: Measures, options: RunOptions, kernels: int, progress: Progress
) -> tuple[list[tuple[TuningTask, float]], float]:
    """The `kernels` kernels that take most time in all the models together, with their ms, and the share they cover."""
    from blockfront.services.deployed import build_model
    from blockfront.targets.hardware.hardware import require
    from blockfront.targets.hardware.target import Processor
    from blockfront.targets.tuning.tasks import by_time, merge, tasks_of

    processor = require(options.target, Processor)

    tasks: list[TuningTask] = []
    with progress.stage("networks", len(models)) as advance:
        for model in models:
            module, _ = build_model(model)
            tasks = merge([*tasks, *tasks_of(module, model.signature, processor, options.threads)])
            advance()
    with meter.session(replace(options, timeout_s=_SESSION_S)) as session:
        ranked = by_time(tasks, session)
    longest = ranked[:kernels]
    return longest, sum(ms for _, ms in longest) / sum(ms for _, ms in ranked)


def tune_tasks(
    tasks: Sequence[tuple[TuningTask, float]],
    meter: Measures,
    options: RunOptions,
    database: TuningDatabase,
    trials: int,
    progress: Progress,
) -> Iterator[dict[str, Any]]:
    """Tune each kernel with `trials` candidates in all; for each what came out, or why nothing did."""
    from blockfront.cores import usable_cores
    from blockfront.targets.tuning.candidates import open_candidates
    from blockfront.targets.tuning.tuner import Tuner

    candidate_options = replace(options, timeout_s=_CANDIDATE_S)
    with open_candidates(meter, candidate_options, usable_cores()) as candidates:
        tuner = Tuner(meter, replace(options, timeout_s=_SESSION_S), database, candidates)
        with progress.stage("trials", sum(tuner.missing(task, trials) for task, _ in tasks)) as advance:
            for task, ms in tasks:
                try:
                    yield _row(task.kernel, ms, tuner.tune(task, trials, advance), None)
                except RunError as error:
                    yield _row(task.kernel, ms, None, str(error))


def _row(kernel: Kernel, ms: float, record: TuningRecord | None, error: str | None) -> dict[str, Any]:
    low, high = record.ratio_ci95 if record else (None, None)
    return {
        "kernel": kernel.name,
        "symbol": kernel.symbol,
        "calls": kernel.calls,
        "ms": ms,
        "trials": record.trials if record else None,
        "rule_ms": median(record.rule_ms) if record else None,
        "tuned_ms": median(record.tuned_ms) if record else None,
        "ratio": median(record.ratios) if record else None,
        "ratio_ci95_low": low,
        "ratio_ci95_high": high,
        "max_rel_error": record.max_rel_error if record else None,
        "kept": record.kept if record else False,
        "device": record.device if record else None,
        "date": record.date if record else None,
        "error": error,
    }
