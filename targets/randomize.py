"""Weights that let no branch hide in a comparison."""

from __future__ import annotations

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

    def fill(tensor: torch.Tensor, low: float, high: float) -> None:
        values = torch.rand(tensor.shape, generator=generator) * (high - low) + low
        tensor.copy_(values)

    with torch.no_grad():
        for layer in module.modules():
            for name, parameter in layer.named_parameters(recurse=False):
                if name in _LAYER_SCALES:
                    fill(parameter, 0.8, 1.2)
            if isinstance(layer, nn.modules.batchnorm._NormBase):
                if layer.running_mean is not None and layer.running_var is not None:
                    fill(layer.running_mean, -0.2, 0.2)
                    fill(layer.running_var, 0.8, 1.2)
            elif not isinstance(layer, nn.LayerNorm | nn.GroupNorm):
                continue
            if layer.weight is not None:
                fill(layer.weight, 0.8, 1.2)
            if layer.bias is not None:
                fill(layer.bias, -0.2, 0.2)
