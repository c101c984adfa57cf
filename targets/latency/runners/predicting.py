"""What runners share that answer from the program alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from blockfront.results.latency import KernelTime, Latency, LatencySource, Peak, Prediction, Visit
from blockfront.targets.compiler.program import Program
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.profiler.counts import Counts
from blockfront.targets.latency.runners.runner import ProgramRunner, RunOptions


class PredictingRunner(ProgramRunner, ABC):
    """A runner whose latency is the sum over kernels of what a model of the processor gives for each."""

    name: str
    predictor: str | None
    source: LatencySource = "predicted"
    exclusive = False
    here = False

    @abstractmethod
    def check(self, options: RunOptions) -> None:
        """Raise `UsageError` or `RunError` with what to do when this runner cannot serve `options`."""

    @abstractmethod
    def predict(self, program: Program, options: RunOptions) -> tuple[list[float], list[Counts] | None]:
        """Milliseconds of all calls of each kernel, and what one call executes where that was counted."""

    def prediction(self, options: RunOptions) -> Prediction | None:
        """What is known of the model and of its error; None when nothing is."""
        return None

    def devices(self, options: RunOptions) -> int:
        """None is needed."""
        return 1

    def visit(self, program: Program, options: RunOptions) -> Visit:
        """A prediction has no samples."""
        return Visit(device="", samples_ms=())

    def finish(self, program: Program, options: RunOptions, visits: tuple[Visit, ...]) -> Latency:
        """The sum over kernels; no interval, because nothing was measured."""
        times, counts = self.predict(program, options)
        return Latency(
            source=self.source,
            runner=self.name,
            predictor=self.predictor,
            prediction=self.prediction(options),
            peak=catalogue_peak(options.target, options.threads),
            target=program.target,
            device=f"model of {options.target.title}",
            threads=options.threads,
            median_ms=sum(times),
            ci95_ms=None,
            visits=(),
            kernels=kernel_times(program, times, counts),
            unscheduled_kernels=program.unscheduled_kernels,
            tuned_kernels=program.tuned_kernels,
            peak_memory_bytes=program.peak_memory_bytes,
            max_abs_error=program.max_abs_error,
            max_rel_error=program.max_rel_error,
            verified_on=program.verified_on,
            versions=dict(program.versions),
        )

    def run(self, program: Program, options: RunOptions) -> Latency:
        """The prediction."""
        return self.finish(program, options, ())


def catalogue_peak(target: Target, threads: int) -> Peak:
    """The most that the catalogue's figures allow."""
    return Peak(source="catalogue", gflops=2 * target.peak_macs(threads) / 1e9, gbs=target.bandwidth_gbs)


def kernel_times(
    program: Program, times: Sequence[float], counts: Sequence[Counts] | None = None
) -> tuple[KernelTime, ...]:
    """The kernels with their times (ms, all calls together) and shares of the sum, longest first.

    `counts`: what one call of each executes.
    """
    total = sum(times) or 1.0
    counted: Sequence[Counts | None] = counts or [None] * len(times)
    rows = [
        KernelTime(
            name=kernel.name,
            calls=kernel.calls,
            ms=ms,
            macs=kernel.macs * kernel.calls,
            bytes=kernel.bytes * kernel.calls,
            share=ms / total,
            rule=kernel.rule,
            counts=count and count * kernel.calls,
            reason=kernel.reason,
        )
        for kernel, ms, count in zip(program.kernels, times, counted, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: -row.ms))
