"""Weights that let no branch hide in a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod, sqrt

import torch
from torch import nn

_BUFFERS = ("running_mean", "running_var", "weight", "bias")
"""Of normalisation. Others are masks, indices and filters, whose values mean something."""

_VISIBLE = 0.1
"""A scale of less, such as a layer scale of 1e-6, is as good as zero."""


def randomize_constants(module: nn.Module, seed: int) -> None:
    """Give every constant float parameter, and constant normalisation statistics, random values, in place.

    What a new network has equal everywhere hides something: a head of zeros its whole body, a scale of zeros or 1e-6
    its branch, running statistics of 0 and 1 themselves. Whatever a checkpoint left in other tensors stays. Values are
    of the size of a usual initialisation, so that activations stay in range:

    - zeros: uniform within 0.2, or within √(3 / fan-in) where that is less, which keeps the variance (LeCun et al.,
      "Efficient BackProp", 1998); a single zero becomes a scale.
    - scales, along one dimension at most, and below 0.1: 0.8 to 1.2.
    - other constants: 0.8 to 1.2 times what they are.

    The same seed gives the same values; torch's global random state is not touched.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor, low, high in list(_constants(module)):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)


@contextmanager
def random_constants(module: nn.Module, seed: int) -> Iterator[None]:
    """`randomize_constants`, undone at the end."""
    kept = [(tensor, tensor.detach().clone()) for tensor, _, _ in _constants(module)]
    randomize_constants(module, seed)
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, values in kept:
                tensor.copy_(values)


def _constants(module: nn.Module) -> Iterator[tuple[torch.Tensor, float, float]]:
    """Each tensor to randomise, with the range of its values."""
    buffers = (buffer for name, buffer in module.named_buffers() if name.rpartition(".")[2] in _BUFFERS)
    for tensor in (*module.parameters(), *buffers):
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        value = float(tensor.detach().flatten()[0])
        if abs(value) < float("inf") and bool((tensor == value).all()):
            yield tensor, *_range(value, [extent for extent in tensor.shape if extent > 1])


def _range(value: float, shape: list[int]) -> tuple[float, float]:
    if value == 0 and shape:
        bound = min(0.2, sqrt(3 / prod(shape[1:])))
        return -bound, bound
    scale = 1.0 if abs(value) < _VISIBLE and len(shape) <= 1 else value
    return 0.8 * scale, 1.2 * scale
