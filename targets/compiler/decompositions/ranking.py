"""Order: sorting, the largest and where they are, cumulative operators.

Nothing is sorted. A rank is a count of comparisons, which is vectorised and has a shape that is known; it takes n² of
them where a sort takes n·log n steps, which serves up to some thousands of values. Of equal values the first comes
first, where torch leaves the order open.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from blockfront.errors import RunError
from blockfront.targets.compiler.decompositions.registry import decomposes

_EXACT = 1 << 24
"""Whole numbers below are exact in float32."""


def _positions(count: int) -> Tensor:
    return torch.arange(count, dtype=torch.float32 if count <= _EXACT else torch.int64)


def _positions_along(tensor: Tensor, dim: int) -> Tensor:
    """Those of an axis, with an axis of one for each other."""
    shape = [1] * tensor.dim()
    shape[dim] = -1
    return _positions(tensor.shape[dim]).reshape(shape)


def _in_order(values: Tensor, first: int, last: int, dim: int, descending: bool) -> tuple[Tensor, Tensor]:
    """Those of the ranks `first` to `last` - 1 along an axis, and where they were."""
    if values.dim() == 0:
        return values, torch.zeros((), dtype=torch.int64)
    along = values.movedim(dim, -1)
    place = _positions(along.shape[-1])
    this, other = along.unsqueeze(-1), along.unsqueeze(-2)
    before = (other > this) if descending else (other < this)
    before = before | ((other == this) & (place < place[:, None]))
    rank = before.to(place.dtype).sum(-1)
    chosen = rank.unsqueeze(-2) == place[first:last, None]
    index = (chosen.to(place.dtype) * place).sum(-1).long()
    found = torch.where(chosen, other, torch.zeros((), dtype=along.dtype)).sum(-1).to(values.dtype)
    return found.movedim(-1, dim), index.movedim(-1, dim)


@decomposes("topk.default")
def _topk(self: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Tensor, Tensor]:
    return _in_order(self, 0, k, dim, largest)


@decomposes("sort.default")
def _sort(self: Tensor, dim: int = -1, descending: bool = False) -> tuple[Tensor, Tensor]:
    return _in_order(self, 0, self.shape[dim] if self.dim() else 1, dim, descending)


@decomposes("sort.stable")
def _sort_stably(
    self: Tensor, *, stable: bool | None = None, dim: int = -1, descending: bool = False
) -> tuple[Tensor, Tensor]:
    return _sort(self, dim, descending)


@decomposes("argsort.default")
def _argsort(self: Tensor, dim: int = -1, descending: bool = False) -> Tensor:
    return _sort(self, dim, descending)[1]


@decomposes("kthvalue.default")
def _kth(self: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    found, index = _in_order(self, k - 1, k, dim, False)
    return (found, index) if keepdim or not self.dim() else (found.squeeze(dim), index.squeeze(dim))


@decomposes("median.dim")
def _median(self: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The lower of two in the middle."""
    return _kth(self, (self.shape[dim] + 1) // 2, dim, keepdim)


@decomposes("median.default")
def _median_of_all(self: Tensor) -> Tensor:
    return _median(self.flatten(), 0)[0]


@decomposes("argmin.default")
def _argmin(self: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    return (-self).argmax(dim, keepdim)


@decomposes("max.dim")
def _maximum(self: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    return self.amax(dim, keepdim), self.argmax(dim, keepdim)


@decomposes("min.dim")
def _minimum(self: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    return self.amin(dim, keepdim), self.argmin(dim, keepdim)


@decomposes("cumsum.default")
def _accumulate(self: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    """As a product with a triangle of ones."""
    values = _typed(self, dtype).transpose(dim, -1)
    ones = torch.ones(values.shape[-1], values.shape[-1], dtype=values.dtype).triu()
    return (values @ ones).transpose(dim, -1)


@decomposes("cumprod.default")
def _multiply_on(self: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    return _scan(_typed(self, dtype), dim, torch.mul)


@decomposes("logcumsumexp.default")
def _accumulate_logs(self: Tensor, dim: int) -> Tensor:
    return _scan(self, dim, torch.logaddexp)


@decomposes("cummax.default")
def _largest_so_far(self: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The last place of the largest value so far."""
    largest = _scan(self, dim, torch.maximum)
    places = torch.where(self == largest, _positions_along(self, dim), 0.0)
    return largest, _scan(places, dim, torch.maximum).long()


@decomposes("cummin.default")
def _least_so_far(self: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    least, places = _largest_so_far(-self, dim)
    return -least, places


def _typed(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    return tensor.to(dtype or (tensor.dtype if tensor.is_floating_point() else torch.int64))


def _scan(tensor: Tensor, dim: int, combine: Callable[[Any, Any], Tensor]) -> Tensor:
    """All prefixes combined, in as many steps as the length has binary digits (Hillis and Steele 1986)."""
    count, step = tensor.shape[dim], 1
    while step < count:
        kept = tensor.narrow(dim, 0, step)
        more = combine(tensor.narrow(dim, step, count - step), tensor.narrow(dim, 0, count - step))
        tensor, step = torch.cat([kept, more], dim), 2 * step
    return tensor


@decomposes("bucketize.Tensor")
def _bucketize(self: Tensor, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    return _searchsorted(boundaries, self, out_int32=out_int32, right=right)


@decomposes("searchsorted.Tensor")
def _searchsorted(
    sorted_sequence: Tensor,
    self: Tensor,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """How many of the sequence lie below, or not above."""
    if sorter is not None:
        raise RunError("searchsorted with a sorter is not supported: sort the sequence before")
    values = self.unsqueeze(-1)
    sequence = sorted_sequence if sorted_sequence.dim() == 1 else sorted_sequence.unsqueeze(-2)
    below = sequence <= values if right or side == "right" else sequence < values
    return below.float().sum(-1).to(torch.int32 if out_int32 else torch.int64)
