"""How a real number is an int8: a scale and a zero point."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from blockfront.integer import HIGHEST, LOWEST


@dataclass(frozen=True)
class Affine:
    """A value is `(q - zero_point) * scale`, with q from -128 to 127. `scale` is a float32."""

    scale: float
    zero_point: int

    @classmethod
    def spanning(cls, low: float, high: float) -> Affine:
        """The finest that holds `low` to `high` and zero, which is exact; 1 a step where there is nothing but zero."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = as_float32((high - low) / (HIGHEST - LOWEST))
        if not scale > 0:
            return cls(1.0, 0)
        return cls(scale, min(max(LOWEST - round(low / scale), LOWEST), HIGHEST))

    def step(self, value: float) -> int:
        """The int8 that is nearest to `value`."""
        return int(min(max(round(value / self.scale) + self.zero_point, LOWEST), HIGHEST))

    def values(self) -> torch.Tensor:
        """All 256 values, float64, from the least."""
        return (torch.arange(LOWEST, HIGHEST + 1, dtype=torch.float64) - self.zero_point) * self.scale

    def steps(self, values: torch.Tensor) -> torch.Tensor:
        """The int8s that are nearest to `values`, of their shape."""
        steps = (values / self.scale).round() + self.zero_point
        return steps.nan_to_num(self.zero_point).clamp(LOWEST, HIGHEST).to(torch.int8)


def as_float32(value: float) -> float:
    """`value` rounded to float32."""
    return float(torch.tensor(value, dtype=torch.float32))
