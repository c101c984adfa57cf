"""Latency and energy on an ML accelerator, from ZigZag's analytical model of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from blockfront.digest import digest
from blockfront.results.latency import KernelTime, Latency, LatencySource, Peak, Prediction
from blockfront.targets.hardware.accelerator import Accelerator
from blockfront.targets.hardware.hardware import Hardware
from blockfront.targets.hardware.zigzag_files import load_model, zigzag_version
from blockfront.targets.latency.accelerators.judgements import judged_prediction
from blockfront.targets.latency.accelerators.simulator import layer_cost
from blockfront.targets.latency.accelerators.workload import Workload, small_workload
from blockfront.targets.latency.meter import Predicts
from blockfront.targets.latency.options import SimulationOptions
from blockfront.targets.latency.toolchain import Toolchain

MJ_PER_PJ = 1e-9


class SimulatedMeter(Predicts[Workload, SimulationOptions]):
    """Layer after layer: what ZigZag finds for each, and for everything else the data it moves.

    A layer takes its input and weights from the accelerator's outermost memory and leaves its output there. An
    operator that is no layer reads its inputs there and writes its output, at that memory's bandwidth and energy; its
    arithmetic costs nothing. Element-wise operators that their producer applies, and addressing, cost nothing.
    """

    name = "simulated"
    title = "simulated: layers by ZigZag's model of an accelerator, the rest by the data it moves"
    source: ClassVar[LatencySource] = "simulated"
    predictor = "zigzag"

    def accepts(self, toolchain: Toolchain[Any, Any], hardware: Hardware) -> bool:
        """Only what was read as layers, for what ZigZag models."""
        return issubclass(toolchain.makes, Workload) and isinstance(hardware, Accelerator)

    def prediction(self, options: SimulationOptions) -> Prediction | None:
        """Which model answers, and how far it was from a device that it is like, where one was published of."""
        target = options.target
        figures = options.description.hash, zigzag_version(), target.clock_ghz, target.bits, target.loops
        model = digest(repr(figures), 12)
        clock = f"(clock: {target.source_of('clock_ghz')})"
        basis = f"model of ZigZag {zigzag_version()} at {target.clock_ghz:g} GHz {clock}"
        return judged_prediction(target.name, model, basis)

    def how(self, options: SimulationOptions) -> str:
        """With the clock, which is not ZigZag's, and the number format."""
        target = options.target
        return f"by ZigZag's model at {target.clock_ghz:g} GHz in {target.precision}, not measured"

    def standing(self, options: SimulationOptions) -> str:
        """What a small layer costs, which asks ZigZag."""
        latency = self.predict(small_workload(), options)
        return (
            f"a small convolution takes {latency.median_ms:.3g} ms and {latency.energy_mj:.3g} mJ {self.how(options)}"
        )

    def predict(self, prepared: Workload, options: SimulationOptions) -> Latency:
        """The sum over layers and moves. Raises `RunError` for a layer that the accelerator cannot take."""
        accelerator, model = options.target, load_model(options.description, options.target.name)
        parts = [
            _Part(layer.name, "zigzag", calls, layer.macs, layer.elements, cost.cycles, cost.energy_pj)
            for layer, calls in prepared.layers.items()
            for cost in [layer_cost(layer, accelerator, options.description)]
        ]
        for move, calls in prepared.moves.items():
            bits = move.read * accelerator.bits, move.written * accelerator.bits
            elements, memory = move.read + move.written, model.memory
            parts.append(_Part(move.name, "moves", calls, 0, elements, memory.cycles(*bits), memory.energy_pj(*bits)))
        parts.sort(key=lambda part: -part.calls * part.cycles)
        total = sum(part.calls * part.cycles for part in parts)
        kernels = [part.kernel(accelerator, total) for part in parts]
        return Latency(
            source=self.source,
            runner=self.name,
            toolchain=options.toolchain,
            predictor=self.predictor,
            prediction=self.prediction(options),
            peak=Peak("catalogue", *accelerator.peak_of(model)),
            target=accelerator.name,
            device=f"model of {accelerator.title}",
            threads=None,
            median_ms=_milliseconds(total, accelerator),
            kernels=tuple(kernels),
            versions={"zigzag-dse": zigzag_version()},
            energy_mj=sum(part.calls * part.energy_pj for part in parts) * MJ_PER_PJ,
            precision=accelerator.precision,
            coverage=prepared.coverage,
        )


@dataclass(frozen=True)
class _Part:
    """A distinct layer or move: MACs, elements, cycles and energy of one call."""

    name: str
    rule: str
    calls: int
    macs: int
    elements: int
    cycles: float
    energy_pj: float

    def kernel(self, accelerator: Accelerator, total: float) -> KernelTime:
        """All calls together; `total` cycles are the network's."""
        return KernelTime(
            name=self.name,
            calls=self.calls,
            ms=_milliseconds(self.calls * self.cycles, accelerator),
            macs=self.calls * self.macs,
            bytes=self.calls * self.elements * accelerator.bits // 8,
            share=self.calls * self.cycles / total if total else 0.0,
            rule=self.rule,
            energy_mj=self.calls * self.energy_pj * MJ_PER_PJ,
        )


def _milliseconds(cycles: float, accelerator: Accelerator) -> float:
    return cycles / accelerator.clock_ghz * 1e-6
