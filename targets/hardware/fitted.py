"""An NPU whose latencies were published: a model of few rates, fitted on some of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from blockfront.targets.hardware.hardware import WithoutThreads


@dataclass(frozen=True)
class FittedNpu(WithoutThreads):
    """An NPU beside a processor, whose weights lie in a flash and whose activations stay on the chip.

    Its multiply-adders do `macs_per_cycle` at `clock_ghz`, and its ports take `memory_gbs`, 10⁹ bytes a second. Four
    rates are fitted: `weights_gbs` and `grouped_gbs`, 10⁹ bytes a second of weights from the flash and of what layers
    in groups read and write; `moves_gbs`, of what operators without multiply-adds read and write; and `processor_ns`,
    nanoseconds for a value of an operator that is left to the processor. `targets/latency/accelerators/fitted.py` says
    what a network takes by them.
    """

    clock_ghz: float
    macs_per_cycle: int
    memory_gbs: float
    weights_gbs: float
    grouped_gbs: float
    moves_gbs: float
    processor_ns: float

    called: ClassVar[str] = "an NPU"
    described: ClassVar[str] = (
        "an NPU, of which a model was fitted on published latencies; nothing is run: bench sample, profile and compare "
        "take it"
    )
    positive: ClassVar[tuple[str, ...]] = (
        *("clock_ghz", "macs_per_cycle", "memory_gbs", "weights_gbs", "grouped_gbs", "moves_gbs", "processor_ns"),
    )
    rates: ClassVar[tuple[str, ...]] = ("weights_gbs", "grouped_gbs", "moves_gbs", "processor_ns")
    """The fitted ones."""

    def peak(self, threads: int | None) -> tuple[float, float]:
        """Of its multiply-adders and of its ports."""
        return 2 * self.macs_per_cycle * self.clock_ghz, self.memory_gbs

    def figures(self) -> dict[str, tuple[object, str]]:
        """Its own."""
        return {name: (getattr(self, name), self.source_of(name)) for name in self.positive}

    def row(self) -> dict[str, object]:
        """With the clock."""
        return super().row() | {
            "clock GHz": self.clock_ghz,
            "remark": "simulated, by a model fitted on published times",
        }
