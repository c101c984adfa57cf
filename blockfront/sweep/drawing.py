"""Which networks a random study holds: the distinct ones of the indices 0, 1, 2, … in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from blockfront.design_space import ListedSpace
from blockfront.errors import UsageError
from blockfront.study.journal import Draw

if TYPE_CHECKING:
    from blockfront.design_space import Space

REPEATS_ALLOWED = 1000
"""Draws in a row that may repeat an earlier network before the space counts as used up."""


def draw_missing(space: Space, seed: int, n: int, taken: Mapping[str, int], *, paired: bool = False) -> list[Draw]:
    """The networks that a study lacks which has those in `taken`: until it has `n`, or all that the space lists.

    Raises as `draw_networks` does.
    """
    if isinstance(space, ListedSpace):
        return [Draw(i, {}, network) for i, network in enumerate(space.networks) if network.id not in taken]
    return list(islice(draw_networks(space, seed, taken, paired=paired), max(0, n - len(taken))))


def draw_networks(space: Space, seed: int, taken: Mapping[str, int], *, paired: bool = False) -> Iterator[Draw]:
    """Networks that follow those in `taken` (network id to its sample index), without end.

    `paired` draws a skeleton at a time, with the block of each family in it. Which network comes next depends on the
    space, the seed and the indices already used, on nothing else.
    Raises UsageError when 1000 draws in a row repeat earlier networks, and what the space raises when its
    constraints cannot be met.
    """
    seen = set(taken)
    index = max(taken.values(), default=-1) + 1
    repeats = 0
    while True:
        values, network = space.sample_values(seed, index, paired=paired)
        if network.id in seen:
            repeats += 1
            if repeats >= REPEATS_ALLOWED:
                raise UsageError(
                    f"space {space.name} gave no new network in {REPEATS_ALLOWED} draws after {len(seen)}; "
                    f"ask for at most --n {len(seen)}, or widen the space"
                )
        else:
            repeats = 0
            seen.add(network.id)
            yield Draw(index, values, network, index // len(space.families) if paired else None)
        index += 1
