"""What meters share that predict a compiled program kernel by kernel."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from blockfront.results.latency import KernelTime, Latency, Peak, Prediction
from blockfront.targets.compiler.program import Program
from blockfront.targets.hardware.hardware import Hardware
from blockfront.targets.latency.meter import Predicts
from blockfront.targets.latency.options import RunOptions
from blockfront.targets.latency.profiler.counts import Counts
from blockfront.targets.latency.toolchain import Toolchain


class Estimate(NamedTuple):
    """What a model gives for a program.

    `times`: milliseconds of all calls of each kernel; `counts`: what one call executes, where that was counted;
    `prediction`: what is known of the model, and of this latency.
    """

    times: list[float]
    counts: list[Counts] | None = None
    prediction: Prediction | None = None


class PredictsPrograms(Predicts[Program, RunOptions]):
    """A latency that is the sum over kernels of what a model of the hardware gives for each."""

    def accepts(self, toolchain: Toolchain[Any, Any], hardware: Hardware) -> bool:
        """Whatever becomes a program."""
        return issubclass(toolchain.makes, Program)

    @abstractmethod
    def estimate(self, program: Program, options: RunOptions) -> Estimate:
        """Each kernel by the model."""

    def prediction(self, options: RunOptions) -> Prediction | None:
        """Nothing is known of the model."""
        return None

    def predict(self, prepared: Program, options: RunOptions) -> Latency:
        """The sum over kernels; no interval, because nothing was measured."""
        times, counts, prediction = self.estimate(prepared, options)
        return Latency(
            source=self.source,
            runner=self.name,
            toolchain=options.toolchain,
            predictor=self.predictor,
            prediction=prediction,
            peak=Peak("catalogue", *options.target.peak(options.threads)),
            target=options.target.name,
            device=f"model of {options.target.title}",
            threads=options.threads,
            median_ms=sum(times),
            ci95_ms=None,
            visits=(),
            kernels=kernel_times(prepared, times, counts),
            unscheduled_kernels=prepared.unscheduled_kernels,
            tuned_kernels=prepared.tuned_kernels,
            peak_memory_bytes=prepared.peak_memory_bytes,
            flash_bytes=prepared.flash_bytes,
            ram_bytes=prepared.ram_bytes,
            max_abs_error=prepared.max_abs_error,
            max_rel_error=prepared.max_rel_error,
            torch_rel_error=prepared.torch_rel_error,
            verified_on=prepared.verified_on,
            versions=dict(prepared.versions),
            precision=options.precision,
        )


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
            products=kernel.products,
        )
        for kernel, ms, count in zip(program.kernels, times, counted, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: -row.ms))
