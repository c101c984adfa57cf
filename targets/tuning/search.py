"""MetaSchedule's search for a fast schedule of one kernel (Shao et al., NeurIPS 2022)."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from types import ModuleType
from typing import Any

import tvm
from tvm import tirx
from tvm.s_tir import meta_schedule as ms

from blockfront.errors import RunError
from blockfront.plurals import counted
from blockfront.targets.compiler.traces import apply_trace, as_workload, trace_to_json
from blockfront.targets.tuning.candidates import CandidateTimes
from blockfront.targets.tuning.processes import Failure

# A quarter of MetaSchedule's population: breeding 512 schedules for every batch takes longer than measuring it.
_POPULATION = 128
_BATCH = 16
_INTRINSICS = "tvm.s_tir.tensor_intrin"

Measure = Callable[[Sequence[tvm.IRModule]], Iterable[CandidateTimes]]


def search(
    function: tirx.PrimFunc,
    target: tvm.target.Target,
    trials: int,
    measure: Measure,
    cost_model: ms.CostModel,
    *,
    known: tuple[str, float] | None = None,
    seed: int = 1,
    advance: Callable[[], None] = lambda: None,
) -> str:
    """The trace of the fastest schedule among `trials` candidates.

    `measure` times the `main` of several modules. `cost_model` learns from every search it is given to. `known`: a
    trace found earlier and its seconds, from which the search goes on. Raises `RunError` when no candidate ran.
    """
    context = _context(function, target, seed)
    database = ms.database.MemoryDatabase()
    workload = database.commit_workload(context.mod)

    def keep(trace: Any, seconds: Sequence[float]) -> None:
        database.commit_tuning_record(ms.database.TuningRecord(trace, workload, list(seconds), target))

    if known:
        keep(apply_trace(function, known[0]).trace, [known[1]])
    context.pre_tuning(trials, _BATCH, context.generate_design_space(), database, cost_model)
    tried, failure = 0, "the search found none"
    while candidates := _next_candidates(context):
        results = []
        for candidate, measured in zip(candidates, measure([c.sch.mod for c in candidates]), strict=True):
            if isinstance(measured, Failure):
                failure = measured.reason
                results.append(ms.runner.RunnerResult(None, failure))
            else:
                keep(candidate.sch.trace, measured)
                results.append(ms.runner.RunnerResult(measured, None))
            advance()
        tried += len(candidates)
        with _uninterrupted():
            context.notify_runner_results(candidates, results)
            cost_model.update(context, candidates, results)
    context.post_tuning()
    # A small kernel has fewer schedules than it may have trials.
    for _ in range(trials - tried):
        advance()
    records = database.get_all_tuning_records()
    if not records:
        raise RunError(f"none of {counted(trials, 'candidate')} ran: {failure}")
    return trace_to_json(min(records, key=lambda record: median(map(float, record.run_secs))).trace)


def _next_candidates(context: ms.TuneContext) -> Sequence[Any] | None:
    with _uninterrupted():
        return context.generate_measure_candidates()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold signals back while TVM calls Python from C++, where an exception of theirs would crash the process."""
    held: list[tuple[int, Any]] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *arguments: held.append(arguments)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for arrived, frame in held:
        handler = before[signal.Signals(arrived)]
        if callable(handler):
            handler(arrived, frame)


def _context(function: tirx.PrimFunc, target: tvm.target.Target, seed: int) -> ms.TuneContext:
    with _without_intrinsics():
        return ms.TuneContext(
            as_workload(function),
            target=target,
            space_generator=ms.space_generator.PostOrderApply(
                sch_rules=_schedule_rules(), postprocs="llvm", mutator_probs="llvm"
            ),
            search_strategy=ms.search_strategy.EvolutionarySearch(population_size=_POPULATION),
            rand_state=seed,
            num_threads=1,
            logger=logging.getLogger(__name__),
        )


def _schedule_rules() -> list[ms.ScheduleRule]:
    """MetaSchedule's for processors, with fewer levels of tiles.

    Its own order, SSRSRS, leaves most random schedules an innermost tile that no registers hold. A tile, all of the
    reduction around it, and the rest outside: so the best of 48 random schedules is near this suite's rules.
    """
    tiles = ms.schedule_rule.MultiLevelTiling(
        "SRS",
        max_innermost_factor=64,
        reuse_write=ms.schedule_rule.ReuseType(req="may", levels=[1], scope="global"),
    )
    defaults = ms.schedule_rule.ScheduleRule.create("llvm")
    return [tiles if isinstance(rule, ms.schedule_rule.MultiLevelTiling) else rule for rule in defaults]


@contextmanager
def _without_intrinsics() -> Iterator[None]:
    """Spare a context the import of TVM's tensor intrinsics: a minute, for what floats on a CPU have no use for."""
    missing = _INTRINSICS not in sys.modules
    sys.modules.setdefault(_INTRINSICS, ModuleType(_INTRINSICS))
    try:
        yield
    finally:
        if missing:
            del sys.modules[_INTRINSICS]
