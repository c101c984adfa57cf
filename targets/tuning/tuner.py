"""Tuning a kernel: search for a schedule, check its result, compare it with the rule's, keep the record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import tvm

from blockfront.targets.compiler.building import lower_kernel, object_code
from blockfront.targets.compiler.kernel_cache import CompiledKernel
from blockfront.targets.compiler.program import TUNED
from blockfront.targets.compiler.traces import apply_trace
from blockfront.targets.latency.meters.measure import Measures
from blockfront.targets.latency.options import RunOptions
from blockfront.targets.latency.statistics import median
from blockfront.targets.tuning.candidates import Candidates
from blockfront.targets.tuning.comparing import Variant, compare_variants
from blockfront.targets.tuning.cost_model import TransferModel
from blockfront.targets.tuning.database import TuningDatabase, TuningRecord
from blockfront.targets.tuning.search import search
from blockfront.targets.tuning.tasks import TuningTask


@dataclass(frozen=True)
class Tuner:
    """Tunes kernels for the target and threads of `options`, into one database."""

    meter: Measures
    options: RunOptions
    database: TuningDatabase
    candidates: Candidates
    cost_model: Any = field(default_factory=TransferModel)

    def missing(self, task: TuningTask, trials: int) -> int:
        """How many candidates of a kernel are to be tried until the database knows of `trials`."""
        known = self._known(task)
        return max(0, trials - (known.trials if known else 0))

    def tune(self, task: TuningTask, trials: int, advance: Callable[[], None]) -> TuningRecord:
        """The record of a kernel with at least `trials` candidates in all; `advance` is called for each new one.

        What the database knows is not repeated: a search goes on from the best of fewer candidates, and a schedule
        that was compared with other rules is compared with today's. Raises `RunError` when no candidate runs, or
        the best one's result is wrong.
        """
        known, missing = self._known(task), self.missing(task, trials)
        if known and not missing and known.setting == self.database.setting:
            return known
        trace = known.trace if known and not missing else self._search(task, known, missing, advance)
        record = self._compare(task, trace, missing + (known.trials if known else 0))
        self.database.add(record)
        return record

    def _known(self, task: TuningTask) -> TuningRecord | None:
        """The database's record of a kernel; one whose trace is damaged counts as absent."""
        known = self.database.records().get(task.kernel.symbol)
        if known:
            with suppress(ValueError):
                apply_trace(task.function, known.trace)
                return known
        return None

    def _search(self, task: TuningTask, known: TuningRecord | None, trials: int, advance: Callable[[], None]) -> str:
        compiler = self.options.target.compiler().export()
        return search(
            task.function,
            # MetaSchedule gives each core its share of the parallel loops.
            tvm.target.Target({**compiler, "num-cores": self.options.threads}),
            trials,
            lambda modules: self.candidates.measure(modules, task.arguments),
            self.cost_model,
            known=(known.trace, median(known.tuned_ms) / 1e3) if known else None,
            seed=1 + (known.trials if known else 0),
            advance=advance,
        )

    def _compare(self, task: TuningTask, trace: str, trials: int) -> TuningRecord:
        symbol = f"{TUNED}_{task.kernel.symbol}"
        loops = lower_kernel(apply_trace(task.function, trace).mod["main"], symbol)
        tuned = CompiledKernel(symbol, TUNED, object_code(loops, self.options.target.compiler()))
        with self.meter.session(self.options) as session:
            compared = compare_variants(
                session, Variant(task.compiled, task.kernel.arguments), Variant(tuned, task.arguments)
            )
            device = session.name
        return TuningRecord(
            kernel=task.kernel.symbol,
            name=task.kernel.name,
            setting=self.database.setting,
            trials=trials,
            trace=trace,
            rule_ms=compared.rule_ms,
            tuned_ms=compared.tuned_ms,
            max_rel_error=compared.max_rel_error,
            device=device,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
        )
