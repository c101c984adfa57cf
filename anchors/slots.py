"""Anchor slots by number, and the ways in which one more may be removed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from blockfront.errors import UsageError

Removed = frozenset[int]
"""Slots by flat number that a configuration lacks: levels in order, of each its slots in order."""


@dataclass(frozen=True)
class Slots:
    """How many slots each level of a detector has, before any is removed."""

    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.counts or min(self.counts) < 0 or not sum(self.counts):
            raise UsageError(f"a detector has levels, and at least one slot in one of them, not {self.counts}")

    def __len__(self) -> int:
        return sum(self.counts)

    @property
    def levels(self) -> tuple[range, ...]:
        """The flat numbers of each level's slots."""
        starts = [sum(self.counts[:level]) for level in range(len(self.counts))]
        return tuple(range(start, start + count) for start, count in zip(starts, self.counts, strict=True))

    def kept(self, removed: Iterable[int]) -> tuple[tuple[int, ...], ...]:
        """The places of the slots that each level keeps, counted from 0 in the level."""
        gone = self.check(removed)
        return tuple(tuple(slot - level.start for slot in level if slot not in gone) for level in self.levels)

    def removed(self, kept: Sequence[Iterable[int]]) -> Removed:
        """The flat numbers of what is not kept: the reverse of `kept`."""
        places = [set(level) for level in kept]
        if len(places) != len(self.counts) or any(
            not level <= set(range(count)) for level, count in zip(places, self.counts, strict=False)
        ):
            raise UsageError(f"slots {kept} are none of levels with {self.counts} slots")
        return frozenset(
            slot
            for level, own in zip(self.levels, places, strict=True)
            for slot in level
            if slot - level.start not in own
        )

    def check(self, removed: Iterable[int]) -> Removed:
        """The slots as a set; raises `UsageError` for one that there is not."""
        found = frozenset(removed)
        if not found <= set(range(len(self))):
            raise UsageError(f"slots count from 0 to {len(self) - 1}; there is no {max(found)}")
        return found

    def children(self, removed: Removed, step: Step, level: int | None = None) -> list[Removed]:
        """Configurations that lack one thing more, in its order; none lacks everything, or no more than before.

        `slot` removes one, of all levels or of one; `shared` one place in all levels that have slots, then one level as
        a whole, as layers that levels share allow.
        """
        if step == "slot":
            numbers: Iterable[int] = range(len(self)) if level is None else self.levels[level]
            found = [removed | {slot} for slot in numbers if slot not in removed]
        else:
            left = [own for own in self.levels if set(own) - removed]
            places = sorted({slot - own.start for own in left for slot in own if slot not in removed})
            found = [removed | {own.start + place for own in left if place < len(own)} for place in places]
            found += [removed | set(own) for own in left]
        return [child for child in dict.fromkeys(found) if removed < child and len(child) < len(self)]


Step = Literal["slot", "shared"]
