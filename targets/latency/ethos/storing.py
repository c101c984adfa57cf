"""In which order a tensor of a `.tflite` file stores torch's dimensions, and what a reshape makes of that.

Images are stored channels-last. A permutation changes the order and moves nothing; a reshape moves only dimensions that
become one and do not lie in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

StoredOrder = tuple[int, ...]
"""The dimension of torch's at each place of the stored tensor."""


def usual(rank: int) -> StoredOrder:
    """Images channels-last, everything else as torch has it."""
    return (0, 2, 3, 1) if rank == 4 else tuple(range(rank))


def stored(shape: Sequence[int], order: StoredOrder) -> tuple[int, ...]:
    """The extents of torch's shape as they are stored."""
    return tuple(shape[dim] for dim in order)


def same_storage(shape: Sequence[int], one: StoredOrder, other: StoredOrder) -> bool:
    """Whether two orders of a shape are the same bytes: dimensions of extent 1 do not count."""
    return [dim for dim in one if shape[dim] > 1] == [dim for dim in other if shape[dim] > 1]


def reshaped(before: Sequence[int], after: Sequence[int], order: StoredOrder) -> tuple[StoredOrder, StoredOrder]:
    """The order that a tensor must be in to be reshaped by changing nothing but its extents, and the new order.

    Dimensions of both shapes are paired to the smallest groups of one product. Dimensions of a group must be stored one
    after the other; they are brought to where the first of them is.
    """
    groups = _groups(before, after)
    group_of = {dim: i for i, (dims, _) in enumerate(groups) for dim in dims}
    sequence = list(dict.fromkeys(group_of[dim] for dim in order))
    sequence += [i for i in range(len(groups)) if i not in sequence]
    needed = tuple(dim for i in sequence for dim in groups[i][0])
    return needed, tuple(dim for i in sequence for dim in groups[i][1])


def _groups(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Dimensions of both shapes that hold the same numbers; those of extent 1 go to the group before them."""
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(before) or j < len(after):
        first, second = ([i] if i < len(before) else []), ([j] if j < len(after) else [])
        i, j = i + len(first), j + len(second)
        while (left := prod(before[d] for d in first)) != (right := prod(after[d] for d in second)):
            if left < right:
                first.append(i)
                i += 1
            else:
                second.append(j)
                j += 1
        groups.append((first, second))
    return groups


def merged(shape: Sequence[int], order: StoredOrder, wanted: StoredOrder) -> tuple[list[int], list[int]]:
    """The transposition from one order to another, of as few dimensions as it takes: extents, and the permutation."""
    dims = [dim for dim in order if shape[dim] > 1]
    target = [dim for dim in wanted if shape[dim] > 1]
    runs: list[list[int]] = []
    for place, dim in enumerate(dims):
        follows = place > 0 and target.index(dim) == target.index(dims[place - 1]) + 1
        if follows:
            runs[-1].append(dim)
        else:
            runs.append([dim])
    first = [target.index(run[0]) for run in runs]
    permutation = sorted(range(len(runs)), key=first.__getitem__)
    return [prod(shape[dim] for dim in run) for run in runs], permutation
