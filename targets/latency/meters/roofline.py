"""A prediction from the catalogue's figures: the larger of arithmetic and traffic, kernel by kernel."""

from __future__ import annotations

from blockfront.targets.compiler.program import Kernel, Program
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.meter import Reservation
from blockfront.targets.latency.meters.predicting import Estimate, PredictsPrograms
from blockfront.targets.latency.options import RunOptions


class RooflineMeter(PredictsPrograms):
    """Per kernel max(MACs / peak, bytes / bandwidth) plus a launch cost (Williams et al., 2009).

    A lower bound that knows nothing of caches, instruction overhead or schedules: it ranks networks, and its
    milliseconds are optimistic. Kernels a target could keep in its caches are charged for memory all the same.
    """

    name = "roofline"
    predictor = "roofline"
    title = "predicted: the larger of MACs over peak and bytes over bandwidth for each kernel"

    def reservation(self, options: RunOptions) -> Reservation | None:
        """None but the target's own."""
        bounded = options.target.only_bounded
        return None if bounded is None else Reservation(bounded, f"pass --runner {self.name} for it")

    def how(self, options: RunOptions) -> str:
        """Nothing is known of its error."""
        return "by the roofline model, not measured"

    def estimate(self, program: Program, options: RunOptions) -> Estimate:
        """By `kernel_ms`; nothing is counted."""
        return Estimate(
            [kernel.calls * kernel_ms(kernel, options.target, options.threads) for kernel in program.kernels]
        )


def kernel_ms(kernel: Kernel, target: Target, threads: int) -> float:
    """Milliseconds one execution takes at least, launch included."""
    arithmetic = kernel.macs / (target.peak_macs(threads) * kernel.products)
    traffic = kernel.bytes / (target.bandwidth_gbs * 1e9)
    return 1e3 * max(arithmetic, traffic) + target.launch_us / 1e3
