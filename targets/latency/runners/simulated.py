"""Latency and energy on an ML accelerator, from ZigZag's analytical model of it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from blockfront.digest import digest
from blockfront.errors import UsageError
from blockfront.results.latency import Coverage, KernelTime, Latency, LatencySource, Peak, Prediction, Visit
from blockfront.signature import Signature
from blockfront.targets.latency.accelerators import Accelerator, Description, Workload, make_workload
from blockfront.targets.latency.accelerators.description import load_model, read_description, zigzag_version
from blockfront.targets.latency.accelerators.simulator import layer_cost

MJ_PER_PJ = 1e-9


@dataclass(frozen=True)
class SimulationOptions:
    """On which accelerator, with its files' text; an accelerator has no threads to choose."""

    target: Accelerator
    description: Description
    threads: int = 1


def simulation_options(accelerator: Accelerator) -> SimulationOptions:
    """Options for an accelerator whose files were read and checked. Raises `UsageError` for what is wrong with them."""
    options = SimulationOptions(accelerator, read_description(accelerator))
    load_model(options.description, accelerator.name)
    return options


class SimulatedRunner:
    """Layer after layer: what ZigZag finds for each, and for everything else the data it moves.

    A layer takes its input and weights from the accelerator's outermost memory and leaves its output there. An
    operator that is no layer reads its inputs there and writes its output, at that memory's bandwidth and energy; its
    arithmetic costs nothing. Element-wise operators that their producer applies, and addressing, cost nothing.
    """

    name = "simulated"
    title = "simulated: layers by ZigZag's model of an accelerator, the rest by the data it moves"
    source: LatencySource = "simulated"
    predictor: str | None = "zigzag"
    exclusive = False
    here = False

    def check(self, options: SimulationOptions) -> None:
        """Only accelerators can be simulated."""
        if not isinstance(options, SimulationOptions):
            raise UsageError(
                f"runner simulated is for accelerators; networks are compiled for {options.target.name}: "
                "leave --runner out"
            )

    def prediction(self, options: SimulationOptions) -> Prediction | None:
        """Which model answers; nothing was measured that it could be judged by."""
        target = options.target
        figures = options.description.hash, zigzag_version(), target.clock_ghz, target.bits, target.loops
        return Prediction(
            digest(repr(figures), 12),
            f"model of ZigZag {zigzag_version()} at {target.clock_ghz:g} GHz "
            f"(clock: {target.source_of('clock_ghz')}), never compared with a device",
        )

    def devices(self, options: SimulationOptions) -> int:
        """None is needed."""
        return 1

    def prepare(self, module: nn.Module, signature: Signature, options: SimulationOptions, seed: int) -> Workload:
        """The network's layers. Raises `RunError` when too few of its MACs are in layers."""
        return make_workload(module, signature)

    def visit(self, program: Workload, options: SimulationOptions) -> Visit:
        """A simulation has no samples."""
        return Visit(device="", samples_ms=())

    def run(self, program: Workload, options: SimulationOptions) -> Latency:
        """The simulation."""
        return self.finish(program, options, ())

    def finish(self, program: Workload, options: SimulationOptions, visits: tuple[Visit, ...]) -> Latency:
        """The sum over layers and moves. Raises `RunError` for a layer that the accelerator cannot take."""
        accelerator, model = options.target, load_model(options.description, options.target.name)
        parts = [
            _Part(layer.name, "zigzag", calls, layer.macs, layer.elements, cost.cycles, cost.energy_pj)
            for layer, calls in program.layers.items()
            for cost in [layer_cost(layer, accelerator, options.description)]
        ]
        for move, calls in program.moves.items():
            bits = move.read * accelerator.bits, move.written * accelerator.bits
            elements, memory = move.read + move.written, model.memory
            parts.append(_Part(move.name, "moves", calls, 0, elements, memory.cycles(*bits), memory.energy_pj(*bits)))
        parts.sort(key=lambda part: -part.calls * part.cycles)
        total = sum(part.calls * part.cycles for part in parts)
        kernels = [part.kernel(accelerator, total) for part in parts]
        return Latency(
            source=self.source,
            runner=self.name,
            predictor=self.predictor,
            prediction=self.prediction(options),
            peak=Peak(
                source="catalogue",
                gflops=2 * model.macs_per_cycle * accelerator.clock_ghz,
                gbs=model.memory.read_bits / 8 * accelerator.clock_ghz,
            ),
            target=accelerator.name,
            device=f"model of {accelerator.title}",
            threads=options.threads,
            median_ms=_milliseconds(total, accelerator),
            ci95_ms=None,
            visits=(),
            kernels=tuple(kernels),
            unscheduled_kernels=(),
            peak_memory_bytes=None,
            max_abs_error=None,
            max_rel_error=None,
            verified_on=None,
            versions={"zigzag-dse": zigzag_version()},
            energy_mj=sum(part.calls * part.energy_pj for part in parts) * MJ_PER_PJ,
            precision=accelerator.precision,
            coverage=Coverage(
                macs=program.mac_share,
                activations=program.activation_share,
                fused=dict(program.fused),
                addressing=dict(program.addressing),
                foreign=dict(program.foreign),
            ),
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
