"""Elements by their positions: gathered from tensors, put into them, added to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor

from blockfront.errors import RunError
from blockfront.targets.compiler.decompositions.registry import decomposes, is_known


@decomposes("nonzero.default", "masked_select.default", "_unique2.default", "unique_dim.default")
def _refuse_unknown_size(self: Tensor, *_: Any, **__: Any) -> NoReturn:
    raise RunError(
        "the size of a tensor depends on the values of the input (a mask as an index, nonzero, masked_select, unique), "
        "and compiled code has fixed sizes: choose by torch.where or topk instead"
    )


@decomposes("take.default")
def _take(self: Tensor, index: Tensor) -> Tensor:
    return _index(self.flatten(), [index])


@decomposes("index.Tensor")
def _index(self: Tensor, indices: Sequence[Tensor | None]) -> Tensor:
    chosen = _Chosen(self, indices)
    if len(chosen.axes) == 1:
        axis = chosen.axes[0]
        found = self.index_select(axis, chosen.places.flatten())
        return found.reshape(*self.shape[:axis], *chosen.places.shape, *self.shape[axis + 1 :])
    found = chosen.rows(self).index_select(0, chosen.places.flatten())
    return found.reshape(*chosen.places.shape, *chosen.rest).permute(chosen.as_indexed)


@decomposes("index_put.default")
def _index_put(self: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    mask = indices[0]
    if len(indices) == 1 and mask is not None and mask.dtype == torch.bool and values.numel() == 1 and not accumulate:
        return torch.where(mask.reshape(*mask.shape, *[1] * (self.dim() - mask.dim())), values.reshape(()), self)
    chosen = _Chosen(self, indices)
    rows, places = chosen.rows(self), chosen.places.flatten()
    order = [chosen.as_indexed.index(axis) for axis in range(len(chosen.as_indexed))]
    shape = [[*chosen.places.shape, *chosen.rest][axis] for axis in chosen.as_indexed]
    values = values.expand(shape).permute(order).reshape(len(places), *chosen.rest)
    if accumulate:
        put = _index_add(rows, 0, places, values)
    else:
        put = rows.scatter(0, places.reshape(-1, *[1] * len(chosen.rest)).expand(values.shape), values)
    back = [chosen.first.index(axis) for axis in range(self.dim())]
    return put.reshape([self.shape[axis] for axis in chosen.first]).permute(back)


class _Chosen:
    """What indices choose of a tensor: `places` in its `rows`, which are what is left where the indexed axes are fixed.

    `axes` are indexed, `rest` are the sizes of the others, and `first` is all axes with those indexed in front.
    `as_indexed` permutes (places, rest) to what torch gives: places stand where adjacent axes were, and else in front.
    """

    def __init__(self, tensor: Tensor, indices: Sequence[Tensor | None]) -> None:
        found: list[tuple[int, Tensor]] = []
        axis = 0
        for index in indices:
            if index is None:
                axis += 1
            elif index.dtype in (torch.bool, torch.uint8):
                found += enumerate(index.nonzero().unbind(1), start=axis)
                axis += index.dim()
            else:
                found.append((axis, index))
                axis += 1
        self.axes = [axis for axis, _ in found]
        others = [axis for axis in range(tensor.dim()) if axis not in self.axes]
        self.first = [*self.axes, *others]
        self.rest = [tensor.shape[axis] for axis in others]
        self.places = torch.zeros((), dtype=torch.int64)
        for axis, index in found:
            size = tensor.shape[axis]
            self.places = self.places * size + torch.where(index < 0, index + size, index)
        rank, before = self.places.dim(), self.axes[0]
        adjacent = self.axes == list(range(before, before + len(self.axes)))
        left = before if adjacent else 0
        self.as_indexed = [*range(rank, rank + left), *range(rank), *range(rank + left, rank + len(others))]

    def rows(self, tensor: Tensor) -> Tensor:
        """The tensor with its indexed axes in front, as one."""
        return tensor.permute(self.first).flatten(0, len(self.axes) - 1)


@decomposes("index_add.default")
def _index_add(self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """As a product with a matrix that says what goes where."""
    lines = source.movedim(dim, 0)
    goes = (index == torch.arange(self.shape[dim])[:, None]).to(self.dtype)
    added = (goes @ lines.flatten(1) if lines.dim() > 1 else (goes * lines).sum(1)).reshape(-1, *lines.shape[1:])
    return self + alpha * added.movedim(0, dim)


@decomposes("scatter.src")
def _scatter(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Each place reads what goes there, the last of several."""
    source = src[tuple(slice(size) for size in index.shape)]
    if is_known(index):
        return _read_what_goes(self, dim, index, source)
    count = index.shape[dim]
    steps = torch.arange(count, dtype=torch.float32)
    goes, along = _where_it_goes(self, dim, index)
    last = torch.where(goes, steps, -1.0).amax(-1)
    chosen = goes & (steps == last.unsqueeze(-1))
    value = torch.where(chosen, source.movedim(dim, -1).unsqueeze(-2), 0.0).sum(-1).to(self.dtype)
    return torch.where(last >= 0, value, along).movedim(-1, dim)


@decomposes("scatter.value")
def _scatter_number(self: Tensor, dim: int, index: Tensor, value: float) -> Tensor:
    number = torch.full((), value, dtype=self.dtype)
    if is_known(index):
        reached = torch.zeros(self.shape, dtype=torch.bool).scatter(dim, index, True)
        return torch.where(reached, number, self)
    goes, along = _where_it_goes(self, dim, index)
    return torch.where(goes.any(-1), number, along).movedim(-1, dim)


def _read_what_goes(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Whole slices along `dim` where the index is the same for all that a slice holds, else element by element."""
    places = torch.arange(index.numel()).reshape(index.shape)
    came = torch.full(self.shape, -1).scatter(dim, index, places)
    line = torch.arange(index.shape[dim]).reshape([-1 if axis == dim % self.dim() else 1 for axis in range(self.dim())])
    slices = torch.full(self.shape, -1).scatter(dim, index, line.expand(index.shape))
    first = slices.movedim(dim, 0).flatten(1)[:, :1] if self.dim() > 1 else slices[:, None]
    whole = self.dim() == 1 or bool((slices.movedim(dim, 0).flatten(1) == first).all())
    if whole and all(index.shape[axis] == self.shape[axis] for axis in range(self.dim()) if axis != dim % self.dim()):
        found = source.index_select(dim, first.flatten().clamp(min=0))
    else:
        found = source.flatten().index_select(0, came.flatten().clamp(min=0)).reshape(self.shape)
    return torch.where(came >= 0, found, self)


def _where_it_goes(self: Tensor, dim: int, index: Tensor) -> tuple[Tensor, Tensor]:
    """(…, places, steps): whether a step of the index along `dim` names a place; and the tensor with `dim` last."""
    others = [axis for axis in range(self.dim()) if axis != dim % self.dim()]
    if any(index.shape[axis] != self.shape[axis] for axis in others):
        raise RunError("scatter with an index smaller than the tensor along another axis is not supported")
    return index.movedim(dim, -1).unsqueeze(-2) == torch.arange(self.shape[dim])[:, None], self.movedim(dim, -1)


@decomposes("scatter_add.default")
def _scatter_add(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    return _scatter_reduce(self, dim, index, src, "sum")


@decomposes("scatter_reduce.two")
def _scatter_reduce(
    self: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """A reduction over all steps of the index, of which those that go elsewhere leave the result alone."""
    neutral, combine = _REDUCTIONS[reduce]
    goes, along = _where_it_goes(self, dim, index)
    source = src[tuple(slice(size) for size in index.shape)].movedim(dim, -1).unsqueeze(-2)
    found = combine(torch.where(goes, source, neutral), -1).to(self.dtype)
    if include_self:
        found = combine(torch.stack([found, along], -1), -1)
    if reduce == "mean":
        found = found / (goes.to(self.dtype).sum(-1) + float(include_self)).clamp(min=1.0)
    kept = found if include_self else torch.where(goes.any(-1), found, along)
    return kept.movedim(-1, dim)


_REDUCTIONS: dict[str, tuple[float, Callable[[Tensor, int], Tensor]]] = {
    "sum": (0.0, Tensor.sum),
    "mean": (0.0, Tensor.sum),
    "prod": (1.0, Tensor.prod),
    "amax": (-math.inf, Tensor.amax),
    "amin": (math.inf, Tensor.amin),
}


@decomposes("index_reduce.default")
def _index_reduce(
    self: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    shape = [-1 if axis == dim % self.dim() else 1 for axis in range(self.dim())]
    everywhere = index.reshape(shape).expand(source.shape)
    return _scatter_reduce(self, dim, everywhere, source, reduce, include_self=include_self)


@decomposes("index_fill.int_Scalar", "index_fill.int_Tensor")
def _index_fill(self: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    named = (index == torch.arange(self.shape[dim])[:, None]).any(-1)
    shape = [-1 if axis == dim % self.dim() else 1 for axis in range(self.dim())]
    return torch.where(named.reshape(shape), torch.as_tensor(value, dtype=self.dtype), self)


@decomposes("index_copy.default")
def _index_copy(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    shape = [-1 if axis == dim % self.dim() else 1 for axis in range(self.dim())]
    return self.scatter(dim, index.reshape(shape).expand(source.shape), source)


@decomposes("as_strided.default")
def _as_strided(self: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    places = torch.full([1] * len(size), storage_offset or 0)
    for axis, (count, step) in enumerate(zip(size, stride, strict=True)):
        shape = [1] * len(size)
        shape[axis] = count
        places = places + (torch.arange(count) * step).reshape(shape)
    if not self.is_contiguous() or self.storage_offset() or int(places.max()) >= self.numel():
        raise RunError("as_strided on a tensor that is itself a view is not supported: use slices or unfold")
    return self.flatten().index_select(0, places.flatten()).reshape(tuple(size))


@decomposes("unfold.default")
def _sliding(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    axis = dimension % self.dim()
    count = (self.shape[axis] - size) // step + 1
    places = torch.arange(count)[:, None] * step + torch.arange(size)
    windows = self.index_select(axis, places.flatten())
    return windows.reshape(*self.shape[:axis], count, size, *self.shape[axis + 1 :]).movedim(axis + 1, -1)
