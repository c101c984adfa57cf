"""A prediction from the catalogue's figures: the larger of arithmetic and traffic, kernel by kernel."""

from __future__ import annotations

from bench.targets.latency import KernelTime, Latency, Peak, Source, Visit
from bench.targets.program import Kernel, Program
from bench.targets.runners.runner import RunOptions
from bench.targets.target import Target


class RooflineRunner:
    """Per kernel max(MACs / peak, bytes / bandwidth) plus a launch cost (Williams et al., 2009).

    A lower bound that knows nothing of caches, instruction overhead or schedules: it ranks networks, and its
    milliseconds are optimistic. Kernels a target could keep in its caches are charged for memory all the same.
    """

    name = "roofline"
    title = "predicted: the larger of MACs over peak and bytes over bandwidth for each kernel"
    source: Source = "predicted"
    predictor: str | None = "roofline"
    exclusive = False
    here = False

    def check(self, options: RunOptions) -> None:
        """Always possible."""

    def devices(self, options: RunOptions) -> int:
        """None is needed."""
        return 1

    def visit(self, program: Program, options: RunOptions) -> Visit:
        """A prediction has no samples."""
        return Visit(device="", samples_ms=())

    def finish(self, program: Program, options: RunOptions, visits: tuple[Visit, ...]) -> Latency:
        """The sum over kernels; no interval, because nothing was measured."""
        times = [kernel.calls * kernel_ms(kernel, options.target, options.threads) for kernel in program.kernels]
        total = sum(times)
        return Latency(
            source=self.source,
            runner=self.name,
            predictor=self.predictor,
            peak=catalogue_peak(options.target, options.threads),
            target=program.target,
            device=f"model of {options.target.title}",
            threads=options.threads,
            median_ms=total,
            ci95_ms=None,
            visits=(),
            kernels=kernel_times(program, times),
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


def kernel_ms(kernel: Kernel, target: Target, threads: int) -> float:
    """Milliseconds one execution takes at least, launch included."""
    arithmetic = kernel.macs / target.peak_macs(threads)
    traffic = kernel.bytes / (target.bandwidth_gbs * 1e9)
    return 1e3 * max(arithmetic, traffic) + target.launch_us / 1e3


def catalogue_peak(target: Target, threads: int) -> Peak:
    """The figures `kernel_ms` divides by."""
    return Peak(source="catalogue", gflops=2 * target.peak_macs(threads) / 1e9, gbs=target.bandwidth_gbs)


def kernel_times(program: Program, times: list[float]) -> tuple[KernelTime, ...]:
    """The kernels with their times (ms, all calls together) and shares of the sum, longest first."""
    total = sum(times) or 1.0
    rows = [
        KernelTime(
            name=kernel.name,
            calls=kernel.calls,
            ms=ms,
            macs=kernel.macs * kernel.calls,
            bytes=kernel.bytes * kernel.calls,
            share=ms / total,
            rule=kernel.rule,
        )
        for kernel, ms in zip(program.kernels, times, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: -row.ms))
