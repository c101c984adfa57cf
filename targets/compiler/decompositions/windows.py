"""Pooling, patches and resizing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._decomp import decomposition_table

from blockfront.errors import RunError
from blockfront.targets.compiler.decompositions.registry import DECOMPOSITIONS, decomposes


@decomposes("avg_pool2d.default")
def _average(
    self: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    if ceil_mode:
        raise RunError("avg_pool2d: divisor_override together with ceil_mode is not supported")
    window = kernel_size[0] * kernel_size[-1]
    return F.avg_pool2d(self, tuple(kernel_size), tuple(stride) or None, padding) * (
        window / (divisor_override or window)
    )


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


@decomposes("avg_pool1d.default")
def _average_line(
    self: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    shape = (1, kernel_size[0]), (1, (stride or kernel_size)[0]), (0, padding[0])
    return F.avg_pool2d(self.unsqueeze(-2), *shape, ceil_mode, count_include_pad).squeeze(-2)


@decomposes("max_pool1d.default")
def _maximum_of_line(
    self: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> Tensor:
    shape = (1, kernel_size[0]), (1, (stride or kernel_size)[0]), (0, padding[0]), (1, dilation[0])
    return F.max_pool2d(self.unsqueeze(-2), *shape, ceil_mode).squeeze(-2)


@decomposes("max_pool2d_with_indices.default")
def _maximum_and_where(
    self: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """The index is that of the first largest pixel of a window; who does not read it does not compute it."""
    kernel, move, pad, apart = (_pair(one) for one in (kernel_size, stride or kernel_size, padding, dilation))
    values = F.max_pool2d(self, kernel, move, pad, apart, ceil_mode)
    reach = [(count - 1) * step for count, step in zip(values.shape[-2:], move, strict=True)]
    more = [r + (k - 1) * d + 1 for r, k, d in zip(reach, kernel, apart, strict=True)]
    after = [max(0, m - size - p) for m, size, p in zip(more, self.shape[-2:], pad, strict=True)]
    padded = F.pad(self, (pad[1], after[1], pad[0], after[0]), value=-math.inf)
    best, where = padded.new_empty(0), torch.empty(0)
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            starts = row * apart[0], column * apart[1]
            seen = padded
            for axis, (start, span, step) in enumerate(zip(starts, reach, move, strict=True), start=-2):
                seen = _strided(seen, axis, start, start + span + 1, step)
            rows, columns = (
                torch.arange(count) * step - p + start
                for count, step, p, start in zip(values.shape[-2:], move, pad, starts, strict=True)
            )
            place = rows[:, None] * self.shape[-1] + columns
            if row == column == 0:
                best, where = seen, place.expand(seen.shape)
            else:
                where = torch.where(seen > best, place, where)
                best = torch.maximum(best, seen)
    return values, where


def _pair(sizes: Sequence[int]) -> tuple[int, int]:
    return sizes[0], sizes[-1]


def _strided(tensor: Tensor, axis: int, start: int, end: int, step: int) -> Tensor:
    found: Tensor = torch.ops.aten.slice.Tensor(tensor, axis, start, end, step)
    return found


@decomposes("max_unpool2d.default")
def _put_back(self: Tensor, indices: Tensor, output_size: Sequence[int]) -> Tensor:
    empty = torch.zeros(*self.shape[:-2], math.prod(output_size))
    return empty.scatter(-1, indices.flatten(-2), self.flatten(-2)).reshape(*self.shape[:-2], *output_size)


@decomposes("adaptive_avg_pool1d.default")
def _adaptive_average_of_line(self: Tensor, output_size: Sequence[int]) -> Tensor:
    return F.adaptive_avg_pool2d(self.unsqueeze(-2), (1, output_size[0])).squeeze(-2)


@decomposes("adaptive_avg_pool2d.default")
def _adaptive_average(self: Tensor, output_size: Sequence[int]) -> Tensor:
    sizes = self.shape[-2:]
    if all(size % count == 0 for size, count in zip(sizes, output_size, strict=True)):
        return F.avg_pool2d(self, tuple(size // count for size, count in zip(sizes, output_size, strict=True)))
    return _by_window(self, output_size, Tensor.mean)


@decomposes("adaptive_max_pool2d.default")
def _adaptive_maximum(self: Tensor, output_size: Sequence[int]) -> tuple[Tensor, Tensor | None]:
    return _by_window(self, output_size, Tensor.amax), None


def _by_window(image: Tensor, output_size: Sequence[int], reduce: Callable[..., Tensor]) -> Tensor:
    """Window after window, since their sizes differ."""
    for axis, count in zip((-2, -1), output_size, strict=True):
        size = image.shape[axis]
        bounds = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
        parts = [reduce(image.narrow(axis, first, end - first), axis, keepdim=True) for first, end in bounds]
        image = torch.cat(parts, axis)
    return image


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


def _smoothly(operator: Any) -> Callable[..., Tensor]:
    """An antialiased resizing as two matrix products: it is linear, along each axis by itself."""

    def matrix(size: int, count: int, align: bool) -> Tensor:
        rows: Tensor = operator(torch.eye(size).reshape(1, 1, size, size), [count, size], align)
        return rows[0, 0].T.contiguous()

    def resize(
        input: Tensor,
        output_size: Sequence[int],
        align_corners: bool,
        scales_h: float | None = None,
        scales_w: float | None = None,
    ) -> Tensor:
        rows, columns = input.shape[-2:]
        wide = input @ matrix(columns, output_size[1], align_corners)
        tall = wide.transpose(-1, -2) @ matrix(rows, output_size[0], align_corners)
        return tall.transpose(-1, -2)

    return resize


_aten = torch.ops.aten
for _name in ("bilinear", "bicubic"):
    decomposes(f"_upsample_{_name}2d_aa.default")(_smoothly(getattr(_aten, f"_upsample_{_name}2d_aa").default))
for _operator in (_aten.upsample_nearest2d.vec, _aten.upsample_bilinear2d.vec, _aten.grid_sampler_2d.default):
    DECOMPOSITIONS[_operator] = decomposition_table[_operator]
