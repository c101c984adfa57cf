"""Latency on an NPU, by a model that was fitted on published latencies."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from blockfront.digest import digest
from blockfront.results.latency import Latency, LatencySource, Peak, Prediction
from blockfront.targets.hardware.fitted import FittedNpu
from blockfront.targets.hardware.hardware import Hardware
from blockfront.targets.latency.accelerators.fitted import fitted_parts
from blockfront.targets.latency.accelerators.judgements import judged_prediction
from blockfront.targets.latency.accelerators.workload import Workload, small_workload
from blockfront.targets.latency.meter import Predicts
from blockfront.targets.latency.options import FittedOptions
from blockfront.targets.latency.toolchain import Toolchain


class FittedMeter(Predicts[Workload, FittedOptions]):
    """The sum over layers and moves of what their weights, multiply-adds and bytes take by the NPU's rates."""

    name = "fitted"
    title = "simulated: layers by an NPU's rates, fitted on published latencies"
    source: ClassVar[LatencySource] = "simulated"
    predictor = "fitted"

    def accepts(self, toolchain: Toolchain[Any, Any], hardware: Hardware) -> bool:
        """Only what was read as layers, for an NPU with rates."""
        return issubclass(toolchain.makes, Workload) and isinstance(hardware, FittedNpu)

    def prediction(self, options: FittedOptions) -> Prediction | None:
        """Which rates answer, and how far they were from published latencies that they were not fitted on."""
        target = options.target
        model = digest(repr([getattr(target, name) for name in target.positive]), 12)
        basis = f"model of {len(target.rates)} fitted rates"
        return judged_prediction(target.name, model, basis)

    def how(self, options: FittedOptions) -> str:
        """Whose latencies it is made of."""
        return f"by a model of {len(options.target.rates)} rates fitted on published latencies, not measured"

    def standing(self, options: FittedOptions) -> str:
        """What a small layer takes."""
        latency = self.predict(small_workload(), options)
        return f"a small convolution takes {latency.median_ms:.3g} ms {self.how(options)}"

    def predict(self, prepared: Workload, options: FittedOptions) -> Latency:
        """The sum over layers and moves. Raises `RunError` for operators that nothing is known of."""
        target = options.target
        parts = sorted(fitted_parts(prepared, target), key=lambda part: -part.calls * part.ms)
        total = sum(part.calls * part.ms for part in parts)
        return Latency(
            source=self.source,
            runner=self.name,
            toolchain=options.toolchain,
            predictor=self.predictor,
            prediction=self.prediction(options),
            peak=Peak("catalogue", *target.peak(None)),
            target=target.name,
            device=f"model of {target.title}",
            threads=None,
            median_ms=total,
            kernels=tuple(part.kernel(total) for part in parts),
            versions={"torch": str(torch.__version__)},
            precision="int8",
            coverage=prepared.coverage,
        )
