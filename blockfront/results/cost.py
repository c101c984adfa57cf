"""Size of one network, as far as it follows from its layers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Size of one inference at batch 1.

    `macs`: multiply-accumulates, half of torch's FLOPs; `params`: elements of all parameters;
    `activations`: output elements of all convolutions and linear layers (Radosavovic et al. 2020,
    arXiv:2003.13678).
    """

    macs: int
    params: int
    activations: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.macs + other.macs, self.params + other.params, self.activations + other.activations)
