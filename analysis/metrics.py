"""What each numeric column means: label, unit, direction and how a person reads it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from bench.registry import Registry

MISSING = "—"


@dataclass(frozen=True)
class Metric:
    """A column of a study: `value * scale` is in `unit`; `digits` are significant, or decimals if `fixed`."""

    key: str
    label: str
    unit: str
    direction: Literal["minimise", "maximise"]
    scale: float = 1.0
    digits: int = 3
    fixed: bool = False

    @property
    def title(self) -> str:
        """Label and unit, as an axis or a table header shows them."""
        return f"{self.label} ({self.unit})"

    def number(self, value: float) -> str:
        """`value` in the metric's unit, without the unit; `MISSING` when it is missing."""
        if value is None or not math.isfinite(value):
            return MISSING
        scaled = value * self.scale
        decimals = self.digits
        if not self.fixed:
            magnitude = math.floor(math.log10(abs(scaled))) if scaled else 0
            decimals = max(0, self.digits - 1 - magnitude)
        return f"{scaled:,.{decimals}f}"

    def text(self, value: float) -> str:
        """`value` with its unit, such as `12.3 ms`."""
        number = self.number(value)
        return number if number == MISSING else f"{number} {self.unit}"


METRICS: Registry[Metric] = Registry("metric")

for _metric in (
    Metric("latency_ms", "latency", "ms", "minimise"),
    Metric("energy_mj", "energy", "mJ", "minimise"),
    Metric("top1", "top-1 accuracy", "%", "maximise", scale=100, digits=1, fixed=True),
    Metric("top5", "top-5 accuracy", "%", "maximise", scale=100, digits=1, fixed=True),
    Metric("macs", "MACs", "M", "minimise", scale=1e-6),
    Metric("params", "parameters", "M", "minimise", scale=1e-6),
    Metric("activations", "activations", "M", "minimise", scale=1e-6),
    Metric("peak_memory_bytes", "peak activation memory", "MiB", "minimise", scale=2**-20),
):
    METRICS.add(_metric.key, _metric)
