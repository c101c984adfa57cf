"""Reshaping a tensor that is not stored in its logical order."""

from __future__ import annotations

from dataclasses import dataclass

Order = tuple[int, ...]


def identity(rank: int) -> Order:
    """Torch's own order of `rank` dimensions."""
    return tuple(range(rank))


@dataclass(frozen=True)
class ReshapePlan:
    """Store the input in `before`, reshape; the result is stored in `after` (logical dimensions, by position)."""

    before: Order
    after: Order


def reshape_plan(old: tuple[int, ...], new: tuple[int, ...], order: Order) -> ReshapePlan:
    """How to reshape logical `old` to `new` with the least movement, given the stored `order` of `old`.

    Both shapes are cut into the smallest groups of dimensions with equal products. A group moves as one: its
    old dimensions are stored next to each other in logical order, its new dimensions replace them there.
    """
    groups = _groups(old, new)
    position = {dimension: place for place, dimension in enumerate(order)}
    # Dimensions of extent 1 hold no data, so they never decide where a group stands.
    groups.sort(key=lambda group: min((position[d] for d in group[0] if old[d] != 1), default=-1))
    return ReshapePlan(
        before=tuple(dimension for group, _ in groups for dimension in group),
        after=tuple(dimension for _, group in groups for dimension in group),
    )


def _groups(old: tuple[int, ...], new: tuple[int, ...]) -> list[tuple[list[int], list[int]]]:
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(old) or j < len(new):
        left: list[int] = []
        right: list[int] = []
        product_old = product_new = 1
        while True:
            if (not left and i < len(old)) or (product_old < product_new and i < len(old)):
                product_old *= old[i]
                left.append(i)
                i += 1
            elif (not right and j < len(new)) or (product_new < product_old and j < len(new)):
                product_new *= new[j]
                right.append(j)
                j += 1
            else:
                break
        groups.append((left, right))
    return groups
