"""How much of what a network says rounding to int8 drowns."""

from __future__ import annotations

import math

from torch import Tensor


class Decibels:
    """10 log10 of the power of what a network gives over that of how far another is from it, over all batches."""

    def __init__(self) -> None:
        self._signal = self._noise = 0.0

    def add(self, reference: Tensor, other: Tensor) -> None:
        """Take account of one more batch."""
        truth = reference.double()
        self._signal += float(truth.square().sum())
        self._noise += float((other.double() - truth).square().sum())

    @property
    def value(self) -> float:
        """In dB; infinite where the two are equal."""
        if self._noise == 0:
            return math.inf
        return 10 * math.log10(max(self._signal, 1e-300) / self._noise)
