"""Pooling of lines, images and volumes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from blockfront.errors import RunError
from blockfront.targets.compiler.decompositions.registry import decomposes

_AVERAGE: dict[int, Callable[..., Tensor]] = {2: F.avg_pool2d, 3: F.avg_pool3d}
_MAXIMUM: dict[int, Callable[..., Tensor]] = {2: F.max_pool2d, 3: F.max_pool3d}


def _each(sizes: Sequence[int], rank: int) -> tuple[int, ...]:
    return tuple(sizes) if len(sizes) == rank else (sizes[0],) * rank


def _average(rank: int) -> Callable[..., Tensor]:
    def average(
        self: Tensor,
        kernel_size: Sequence[int],
        stride: Sequence[int] = (),
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Tensor:
        if ceil_mode:
            raise RunError(f"avg_pool{rank}d: divisor_override together with ceil_mode is not supported")
        window = math.prod(_each(kernel_size, rank))
        pooled = _AVERAGE[rank](self, tuple(kernel_size), tuple(stride) or None, padding)
        return pooled * (window / (divisor_override or window))

    return average


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


def _maximum_and_where(rank: int) -> Callable[..., tuple[Tensor, Tensor]]:
    """The index is that of the first largest pixel of a window; who does not read it does not compute it."""

    def pool(
        self: Tensor,
        kernel_size: Sequence[int],
        stride: Sequence[int] = (),
        padding: Sequence[int] = (0,),
        dilation: Sequence[int] = (1,),
        ceil_mode: bool = False,
    ) -> tuple[Tensor, Tensor]:
        kernel, move, pad, apart = (_each(one, rank) for one in (kernel_size, stride or kernel_size, padding, dilation))
        values = _MAXIMUM[rank](self, kernel, move, pad, apart, ceil_mode)
        sizes, counts = self.shape[-rank:], values.shape[-rank:]
        reach = [(count - 1) * step for count, step in zip(counts, move, strict=True)]
        ends = [r + (k - 1) * d + 1 for r, k, d in zip(reach, kernel, apart, strict=True)]
        borders = [(p, max(0, end - size - p)) for end, size, p in zip(ends, sizes, pad, strict=True)]
        padded = F.pad(self, [side for border in reversed(borders) for side in border], value=-math.inf)
        best = where = None
        for offset in itertools.product(*map(range, kernel)):
            starts = [o * d for o, d in zip(offset, apart, strict=True)]
            seen = padded
            for axis, (start, span, step) in enumerate(zip(starts, reach, move, strict=True), start=-rank):
                seen = torch.ops.aten.slice.Tensor(seen, axis, start, start + span + 1, step)
            place = torch.zeros(())
            for size, count, step, p, start in zip(sizes, counts, move, pad, starts, strict=True):
                place = place.unsqueeze(-1) * size + (torch.arange(count) * step - p + start)
            if best is None or where is None:
                best, where = seen, place.long().expand(seen.shape)
            else:
                where = torch.where(seen > best, place.long(), where)
                best = torch.maximum(best, seen)
        assert where is not None
        return values, where

    return pool


@decomposes("max_unpool2d.default")
def _put_back(self: Tensor, indices: Tensor, output_size: Sequence[int]) -> Tensor:
    empty = torch.zeros(*self.shape[:-2], math.prod(output_size))
    return empty.scatter(-1, indices.flatten(-2), self.flatten(-2)).reshape(*self.shape[:-2], *output_size)


@decomposes("adaptive_avg_pool1d.default")
def _adaptive_average_of_line(self: Tensor, output_size: Sequence[int]) -> Tensor:
    return F.adaptive_avg_pool2d(self.unsqueeze(-2), (1, output_size[0])).squeeze(-2)


def _adaptive_average(rank: int) -> Callable[..., Tensor]:
    def pool(self: Tensor, output_size: Sequence[int]) -> Tensor:
        sizes, counts = self.shape[-rank:], _each(output_size, rank)
        if all(count == 1 for count in counts):
            return self.mean(tuple(range(-rank, 0)), keepdim=True)
        if all(size % count == 0 for size, count in zip(sizes, counts, strict=True)):
            return _AVERAGE[rank](self, tuple(size // count for size, count in zip(sizes, counts, strict=True)))
        return _by_window(self, counts, Tensor.mean)

    return pool


def _adaptive_maximum(rank: int) -> Callable[..., tuple[Tensor, Tensor]]:
    def pool(self: Tensor, output_size: Sequence[int]) -> tuple[Tensor, Tensor]:
        sizes, counts = self.shape[-rank:], _each(output_size, rank)
        places = torch.arange(math.prod(sizes), dtype=torch.float32).reshape(sizes)
        found = []
        for window in itertools.product(*(_bounds(size, count) for size, count in zip(sizes, counts, strict=True))):
            part: Any = (..., *(slice(first, end) for first, end in window))
            seen = self[part].flatten(-rank)
            largest = seen == seen.amax(-1, keepdim=True)
            found.append(-torch.where(largest, -places[part].flatten(), -math.inf).amax(-1))
        where = torch.stack(found, -1).unflatten(-1, counts).long()
        return _by_window(self, counts, Tensor.amax), where

    return pool


def _bounds(size: int, count: int) -> list[tuple[int, int]]:
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _by_window(image: Tensor, output_size: Sequence[int], reduce: Callable[..., Tensor]) -> Tensor:
    """Window after window, since their sizes differ."""
    for axis, count in enumerate(output_size, start=-len(output_size)):
        bounds = _bounds(image.shape[axis], count)
        parts = [reduce(image.narrow(axis, first, end - first), axis, keepdim=True) for first, end in bounds]
        image = torch.cat(parts, axis)
    return image


for _rank in (2, 3):
    decomposes(f"avg_pool{_rank}d.default")(_average(_rank))
    decomposes(f"max_pool{_rank}d_with_indices.default")(_maximum_and_where(_rank))
    decomposes(f"adaptive_avg_pool{_rank}d.default")(_adaptive_average(_rank))
    decomposes(f"adaptive_max_pool{_rank}d.default")(_adaptive_maximum(_rank))
