"""Normalisation by statistics that are computed, and by those that are kept."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from blockfront.targets.compiler.decompositions.registry import decomposes


@decomposes("batch_norm.default")
def _normalise(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """By the statistics of the batch itself."""
    others = [0, *range(2, input.dim())]
    shape = [1, -1] + [1] * (input.dim() - 2)
    centred = input - input.mean(others, keepdim=True)
    normalised = centred * torch.rsqrt((centred * centred).mean(others, keepdim=True) + eps)
    if weight is not None:
        normalised = normalised * weight.reshape(shape)
    return normalised if bias is None else normalised + bias.reshape(shape)


@decomposes("_native_batch_norm_legit_no_training.default")
def _normalise_as_kept(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    eps: float,
) -> tuple[Tensor, None, None]:
    return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps), None, None


@decomposes("group_norm.default")
def _normalise_groups(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    channels = input.shape[1]
    weight = torch.ones(channels) if weight is None else weight
    return F.group_norm(input, num_groups, weight, torch.zeros(channels) if bias is None else bias, eps)


@decomposes("var.correction")
def _variance(self: Tensor, dim: Any = None, *, correction: float | None = None, keepdim: bool = False) -> Tensor:
    """Over all axes."""
    return self.var(tuple(range(self.dim())), correction=correction, keepdim=keepdim)


@decomposes("var_mean.correction")
def _variance_and_mean(
    self: Tensor, dim: Any = None, *, correction: float | None = None, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    axes = tuple(range(self.dim())) if dim is None else dim
    return self.var(axes, correction=correction, keepdim=keepdim), self.mean(axes, keepdim=keepdim)
