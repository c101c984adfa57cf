"""Latency on an NPU, as its vendor's compiler estimates it."""

from __future__ import annotations

import math
from collections import Counter
from importlib.metadata import version
from typing import Any, ClassVar

from torch import nn

from blockfront.digest import digest
from blockfront.results.latency import KernelTime, Latency, LatencySource, NpuEstimate, Peak, Prediction
from blockfront.signature import Signature
from blockfront.targets.hardware.ethos import EthosU
from blockfront.targets.hardware.hardware import Hardware
from blockfront.targets.latency.ethos.network import TfliteNetwork, make_tflite
from blockfront.targets.latency.ethos.vela import VelaEstimate, estimate
from blockfront.targets.latency.meter import Predicts
from blockfront.targets.latency.options import EstimateOptions
from blockfront.targets.latency.toolchain import Toolchain


class EstimatedMeter(Predicts[TfliteNetwork, EstimateOptions]):
    """Compiled by vela, whose cycles for each operator are the latency; nothing is run."""

    name = "estimated"
    title = "estimated: cycles on an NPU by its vendor's own compiler"
    source: ClassVar[LatencySource] = "simulated"
    predictor = "vela"

    def accepts(self, toolchain: Toolchain[Any, Any], hardware: Hardware) -> bool:
        """Only what was written for the compiler."""
        return issubclass(toolchain.makes, TfliteNetwork)

    def prediction(self, options: EstimateOptions) -> Prediction | None:
        """Which compiler and system answer; nothing was measured that they could be judged by."""
        target = options.target
        figures = _compiler(), target.configuration, target.system_config, target.memory_mode, target.file
        return Prediction(digest(repr(figures), 12), f"{_basis(target)}; no device measured")

    def how(self, options: EstimateOptions) -> str:
        """With the system, which changes the answer several times over."""
        return f"by {_basis(options.target)}, not measured"

    def standing(self, options: EstimateOptions) -> str:
        """What a small layer takes, which asks the compiler."""
        network = make_tflite(nn.Conv2d(3, 8, 3, padding=1).eval(), Signature.image(8), 0)
        return f"a small convolution takes {self.predict(network, options).median_ms:.3g} ms {self.how(options)}"

    def predict(self, prepared: TfliteNetwork, options: EstimateOptions) -> Latency:
        """All operators on the NPU. Raises `RunError` for a file that the compiler does not take."""
        target = options.target
        found = estimate(prepared.content, target)
        left = {tensor for tensor, _ in found.fallbacks}
        macs = sum(prepared.macs.values())
        on_npu = 1.0 - sum(prepared.macs.get(tensor, 0) for tensor in left) / macs if macs else 0.0
        return Latency(
            source=self.source,
            runner=self.name,
            toolchain=options.toolchain,
            predictor=self.predictor,
            prediction=self.prediction(options),
            peak=Peak("catalogue", *target.peak(None)),
            target=target.name,
            device=f"{target.title}: {target.system}",
            threads=None,
            median_ms=found.total_cycles / found.clock_ghz * 1e-6,
            kernels=tuple(_kernels(found)),
            versions={name: version(name) for name in ("ethos-u-vela", "ai-edge-litert")},
            precision=options.precision,
            flash_bytes=found.other_bytes,
            ram_bytes=found.sram_bytes,
            npu=NpuEstimate(
                system_config=target.system_config,
                memory_mode=target.memory_mode,
                cycles=found.npu_cycles,
                total_cycles=found.total_cycles,
                macs=on_npu,
                fallbacks=dict(Counter(operator for _, operator in found.fallbacks)),
                steps=prepared.steps,
                snr_db=prepared.snr_db if math.isfinite(prepared.snr_db) else None,
            ),
        )


def _compiler() -> str:
    return f"vela {version('ethos-u-vela')}"


def _basis(target: EthosU) -> str:
    return f"{_compiler()} (Arm's compiler, estimate) for {target.system}"


def _kernels(found: VelaEstimate) -> list[KernelTime]:
    """Operators of the file that take time, the longest first."""
    layers = sorted((layer for layer in found.layers if layer.cycles), key=lambda layer: -layer.cycles)
    return [
        KernelTime(
            name=f"{layer.operators} {layer.name}",
            calls=layer.parts,
            ms=layer.cycles / found.clock_ghz * 1e-6,
            macs=layer.macs,
            bytes=0,
            share=layer.cycles / found.total_cycles,
            rule=layer.longest,
        )
        for layer in layers
    ]
