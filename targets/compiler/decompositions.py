"""Calls of ATen operators that no converter takes as they are, in terms of calls that one does.

Which calls these are is in `importing/support.py`. What is not here is torch's own decomposition, or is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._decomp import decomposition_table

_aten = torch.ops.aten


def _add(self: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    return self + other * alpha


def _subtract(self: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    return self - other * alpha


def _subtract_from(self: Tensor, other: Any, alpha: float = 1) -> Tensor:
    return other - self * alpha


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
        raise ValueError("avg_pool2d: divisor_override together with ceil_mode is not supported")
    window = kernel_size[0] * kernel_size[-1]
    return F.avg_pool2d(self, tuple(kernel_size), tuple(stride) or None, padding) * (
        window / (divisor_override or window)
    )


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    if dropout_p:
        raise ValueError("attention with dropout_p above 0 in evaluation mode: its output is random")
    groups = query.shape[-3] // key.shape[-3] if enable_gqa else 1
    if groups > 1:
        key, value = (
            one.unsqueeze(-3).expand(*one.shape[:-2], groups, *one.shape[-2:]).flatten(-4, -3) for one in (key, value)
        )
    if is_causal:
        attn_mask = torch.full((query.shape[-2], key.shape[-2]), -1e30).triu(1)
    elif attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = (attn_mask.to(query.dtype) - 1) * 1e30
    return F.scaled_dot_product_attention(query, key, value, attn_mask, scale=scale)


def _in_its_type(operator: Any) -> Callable[..., Tensor]:
    def convert_first(self: Tensor, *args: Any, dtype: torch.dtype | None = None, **kwargs: Any) -> Tensor:
        if len(args) > 1 and isinstance(args[-1], torch.dtype):
            *args, dtype = args  # type: ignore[assignment]
        whole = dtype or (torch.int64 if self.dtype == torch.bool else self.dtype)
        found: Tensor = operator(self.to(whole), *args, **kwargs)
        return found

    return convert_first


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


def _variance(self: Tensor, dim: Any = None, *, correction: float | None = None, keepdim: bool = False) -> Tensor:
    """Over all axes."""
    return self.var(tuple(range(self.dim())), correction=correction, keepdim=keepdim)


def _filled(value: float) -> Callable[..., Tensor]:
    return lambda self, *, dtype=None, **_: torch.full(self.shape, value, dtype=dtype or self.dtype)


def _filled_as(value: float) -> Callable[..., Tensor]:
    return lambda self, size, *, dtype=None, **_: torch.full(size, value, dtype=dtype or self.dtype)


def _refuse_dropout(self: Tensor, p: float, train: bool) -> Tensor:
    raise ValueError(
        "dropout is on in evaluation mode (F.dropout without training=self.training): its output is random"
    )


def _convert(self: Tensor, dtype: torch.dtype, *_: Any, **__: Any) -> Tensor:
    return self.to(dtype)


def _any(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return (self != 0).any(*args, **kwargs)


def _accumulate(self: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    """As a product with a triangle of ones."""
    values = self.to(dtype or (self.dtype if self.is_floating_point() else torch.int64)).transpose(dim, -1)
    ones = torch.ones(values.shape[-1], values.shape[-1], dtype=values.dtype).triu()
    return (values @ ones).transpose(dim, -1)


def _adaptive_maximum(self: Tensor, output_size: Sequence[int]) -> tuple[Tensor, Tensor | None]:
    """Window after window, since their sizes differ."""
    for axis, count in zip((-2, -1), output_size, strict=True):
        size = self.shape[axis]
        bounds = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
        parts = [self.narrow(axis, first, end - first).amax(axis, keepdim=True) for first, end in bounds]
        self = torch.cat(parts, axis)
    return self, None


def _patches(channels: int, kernel: Sequence[int]) -> Tensor:
    """The kernels (channels · kh · kw, 1, kh, kw) of a grouped convolution that copies each pixel of a window."""
    window = math.prod(kernel)
    return torch.eye(window).reshape(window, 1, *kernel).repeat(channels, 1, 1, 1)


def _unfold(
    self: Tensor, kernel_size: Sequence[int], dilation: Sequence[int], padding: Sequence[int], stride: Sequence[int]
) -> Tensor:
    channels = self.shape[-3]
    copied = F.conv2d(self, _patches(channels, kernel_size), None, stride, padding, dilation, channels)
    return copied.flatten(-2)


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


def decompositions() -> dict[Any, Callable[..., Any]]:
    """Of single operators, before any of torch's own."""
    own: dict[Any, Callable[..., Any]] = {
        _aten.avg_pool2d.default: _average,
        _aten.scaled_dot_product_attention.default: _attend,
        _aten.batch_norm.default: _normalise,
        _aten.group_norm.default: _normalise_groups,
        _aten.var.correction: _variance,
        _aten.zeros_like.default: _filled(0),
        _aten.ones_like.default: _filled(1),
        _aten.new_zeros.default: _filled_as(0),
        _aten.new_ones.default: _filled_as(1),
        _aten.dropout.default: _refuse_dropout,
        _aten.dropout_.default: _refuse_dropout,
        _aten.to.dtype: _convert,
        _aten.any.dim: _any,
        _aten.any.dims: _any,
        _aten.any.default: _any,
        _aten.cumsum.default: _accumulate,
        _aten.adaptive_max_pool2d.default: _adaptive_maximum,
        _aten.im2col.default: _unfold,
        _aten.col2im.default: _fold,
        _aten._upsample_bilinear2d_aa.default: _smoothly(_aten._upsample_bilinear2d_aa.default),
        _aten._upsample_bicubic2d_aa.default: _smoothly(_aten._upsample_bicubic2d_aa.default),
    }
    for overload in ("Tensor", "Scalar"):
        own[getattr(_aten.add, overload)] = _add
        own[getattr(_aten.sub, overload)] = _subtract
        own[getattr(_aten.rsub, overload)] = _subtract_from
    sums = (_aten.mean.dim, _aten.mean.default, _aten.sum.default, _aten.sum.dim_IntList, _aten.prod.default)
    for typed in (_aten.softmax.int, _aten.log_softmax.int, *sums):
        own[typed] = _in_its_type(typed)
    for name in ("upsample_nearest2d", "upsample_bilinear2d"):
        own[getattr(_aten, name).vec] = decomposition_table[getattr(_aten, name).vec]
    own[_aten.grid_sampler_2d.default] = decomposition_table[_aten.grid_sampler_2d.default]
    return own
