"""Convolutions, patches and resizing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._decomp import decomposition_table

from blockfront.targets.compiler.decompositions.registry import DECOMPOSITIONS, decomposes


@decomposes("conv1d.default", "conv1d.padding")
def _convolve_line(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] | str = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> Tensor:
    pads: Any = padding if isinstance(padding, str) else (0, padding[0])
    shape: Any = (1, stride[0]), pads, (1, dilation[0]), groups
    return F.conv2d(input.unsqueeze(-2), weight.unsqueeze(-2), bias, *shape).squeeze(-2)


@decomposes("conv_transpose3d.input")
def _convolve_back(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1, 1),
    padding: Sequence[int] = (0, 0, 0),
    output_padding: Sequence[int] = (0, 0, 0),
    groups: int = 1,
    dilation: Sequence[int] = (1, 1, 1),
) -> Tensor:
    """As a convolution of the voxels set apart by zeros, with the kernel turned around."""
    moves, pads, more, apart = (_triple(one) for one in (stride, padding, output_padding, dilation))
    kernel = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1).flip(2, 3, 4)
    for axis, move in enumerate(moves, start=2):
        if move > 1:
            zeros = input.new_zeros(*input.shape[: axis + 1], move - 1, *input.shape[axis + 1 :])
            spread = torch.cat([input.unsqueeze(axis + 1), zeros], axis + 1).flatten(axis, axis + 1)
            input = spread.narrow(axis, 0, spread.shape[axis] - move + 1)
    around: list[int] = []
    for k, d, p, m in reversed(list(zip(weight.shape[2:], apart, pads, more, strict=True))):
        around += [d * (k - 1) - p, d * (k - 1) - p + m]
    return F.conv3d(F.pad(input, around), kernel, bias, 1, 0, apart, groups)


def _triple(sizes: Sequence[int]) -> tuple[int, int, int]:
    first, *others = sizes
    return (first, *others) if others else (first, first, first)  # type: ignore[return-value]


def _patches(channels: int, kernel: Sequence[int]) -> Tensor:
    """The kernels (channels · kh · kw, 1, kh, kw) of a grouped convolution that copies each pixel of a window."""
    window = math.prod(kernel)
    return torch.eye(window).reshape(window, 1, *kernel).repeat(channels, 1, 1, 1)


@decomposes("im2col.default")
def _unfold(
    self: Tensor, kernel_size: Sequence[int], dilation: Sequence[int], padding: Sequence[int], stride: Sequence[int]
) -> Tensor:
    channels = self.shape[-3]
    copied = F.conv2d(self, _patches(channels, kernel_size), None, stride, padding, dilation, channels)
    return copied.flatten(-2)


@decomposes("col2im.default")
def _fold(
    self: Tensor,
    output_size: Sequence[int],
    kernel_size: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> Tensor:
    channels = self.shape[-2] // math.prod(kernel_size)
    rows, columns = (
        (size + 2 * pad - step * (kernel - 1) - 1) // move + 1
        for size, pad, step, kernel, move in zip(output_size, padding, dilation, kernel_size, stride, strict=True)
    )
    windows = self.reshape(*self.shape[:-1], rows, columns)
    least = [
        (count - 1) * move - 2 * pad + step * (kernel - 1) + 1
        for count, move, pad, step, kernel in zip((rows, columns), stride, padding, dilation, kernel_size, strict=True)
    ]
    more = [size - reached for size, reached in zip(output_size, least, strict=True)]
    weights = _patches(channels, kernel_size)
    return F.conv_transpose2d(windows, weights, None, stride, padding, more, channels, dilation)


_aten = torch.ops.aten
for _operator in (_aten.upsample_nearest2d.vec, _aten.grid_sampler_2d.default):
    DECOMPOSITIONS[_operator] = decomposition_table[_operator]
