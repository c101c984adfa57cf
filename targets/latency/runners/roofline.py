"""A prediction from the catalogue's figures: the larger of arithmetic and traffic, kernel by kernel."""

from __future__ import annotations

from blockfront.targets.compiler.program import Kernel, Program
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.profiler.counts import Counts
from blockfront.targets.latency.runners.predicting import PredictingRunner
from blockfront.targets.latency.runners.runner import RunOptions


class RooflineRunner(PredictingRunner):
    """Per kernel max(MACs / peak, bytes / bandwidth) plus a launch cost (Williams et al., 2009).

    A lower bound that knows nothing of caches, instruction overhead or schedules: it ranks networks, and its
    milliseconds are optimistic. Kernels a target could keep in its caches are charged for memory all the same.
    """

    name = "roofline"
    predictor: str | None = "roofline"
    title = "predicted: the larger of MACs over peak and bytes over bandwidth for each kernel"

    def check(self, options: RunOptions) -> None:
        """Always possible."""

    def predict(self, program: Program, options: RunOptions) -> tuple[list[float], list[Counts] | None]:
        """By `kernel_ms`; nothing is counted."""
        times = [kernel.calls * kernel_ms(kernel, options.target, options.threads) for kernel in program.kernels]
        return times, None


def kernel_ms(kernel: Kernel, target: Target, threads: int) -> float:
    """Milliseconds one execution takes at least, launch included."""
    arithmetic = kernel.macs / target.peak_macs(threads)
    traffic = kernel.bytes / (target.bandwidth_gbs * 1e9)
    return 1e3 * max(arithmetic, traffic) + target.launch_us / 1e3
