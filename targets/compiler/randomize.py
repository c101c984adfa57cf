"""Weights that let no branch hide in a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

_LAYER_SCALES = ("gamma", "layer_scale", "ls1", "ls2")


def randomize_statistics(module: nn.Module, seed: int) -> None:
    """Give normalisation layers and layer scales random values around those of a trained network, in place.

    A new network's running statistics are 0 and 1, and some of its scales 0 or 1e-6: a compiler could drop a
    branch and the outputs would still agree. Means are in -0.2 to 0.2, variances and scales in 0.8 to 1.2, so
    that activations stay in range. The same seed gives the same values; torch's global random state is not
    touched.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor, low, high in _statistics(module):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)


@contextmanager
def random_statistics(module: nn.Module, seed: int) -> Iterator[None]:
    """`randomize_statistics`, undone at the end."""
    kept = [(tensor, tensor.detach().clone()) for tensor, _, _ in _statistics(module)]
    randomize_statistics(module, seed)
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, values in kept:
                tensor.copy_(values)


def _statistics(module: nn.Module) -> Iterator[tuple[torch.Tensor, float, float]]:
    """Each tensor to randomise, with the range of its values."""
    for layer in module.modules():
        for name, parameter in layer.named_parameters(recurse=False):
            if name in _LAYER_SCALES:
                yield parameter, 0.8, 1.2
        if isinstance(layer, nn.modules.batchnorm._NormBase):
            if layer.running_mean is not None and layer.running_var is not None:
                yield layer.running_mean, -0.2, 0.2
                yield layer.running_var, 0.8, 1.2
        elif not isinstance(layer, nn.LayerNorm | nn.GroupNorm):
            continue
        if layer.weight is not None:
            yield layer.weight, 0.8, 1.2
        if layer.bias is not None:
            yield layer.bias, -0.2, 0.2
