"""Size of one network, as far as it follows from its layers."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cost:
    """Size of one inference at batch 1.

    `macs`: multiply-accumulates, half of torch's FLOPs; `params`: elements of all parameters;
    `activations`: output elements of all convolutions and linear layers (Radosavovic et al. 2020,
    arXiv:2003.13678). `head_macs` are those of the MACs that lie behind a backbone, None of what has no such part.
    """

    macs: int
    params: int
    activations: int
    head_macs: int | None = field(default=None, compare=False)

    def __add__(self, other: Cost) -> Cost:
        heads = [one.head_macs for one in (self, other) if one.head_macs is not None]
        return Cost(
            self.macs + other.macs,
            self.params + other.params,
            self.activations + other.activations,
            sum(heads) if heads else None,
        )
