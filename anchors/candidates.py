"""The candidates of one image, with sets of them as the bits of an integer: the best is the lowest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blockfront.anchors.recorded import ImageBoxes
from blockfront.tasks.average_precision import MOST, box_shares, overlap_limits
from blockfront.tasks.suppression import sides, strikes

Bits = NDArray[np.uint32]
LEVELS = len(overlap_limits())
ALL = (1 << LEVELS) - 1
"""The bits of a box that is right at every overlap. Those at which it counts are `LEVELS` higher."""
SHOWN = 1 << 31
"""The bit of a box that is given at all."""


@dataclass(frozen=True)
class ImageCandidates:
    """Candidates of an image, best first.

    `order` are their numbers in the image, `strikes` which others of its class each strikes out if it stays, `classes`
    and `slots` those of each class and of each slot. `finds` has for each candidate that overlaps objects of its class
    their numbers, the one it overlaps most first, and at which overlaps it finds them. `shown` are the bits of each, in
    case that it is given and right nowhere.
    """

    image: ImageBoxes
    order: NDArray[np.intp]
    strikes: tuple[int, ...]
    classes: tuple[int, ...]
    slots: dict[int, int]
    finds: dict[int, tuple[tuple[int, int], ...]]
    finding: int
    shown: Bits

    @classmethod
    def of(cls, image: ImageBoxes, classes: int, overlap: float) -> ImageCandidates:
        """Those of an image, for suppression above `overlap`."""
        order = np.argsort(-image.scores, kind="stable")
        kinds = image.classes[order]
        struck = [0] * len(order)
        finds: dict[int, tuple[tuple[int, int], ...]] = {}
        shown = np.full(len(order), SHOWN | ALL << LEVELS, dtype=np.uint32)
        for kind in range(classes):
            places = np.flatnonzero(kinds == kind)
            boxes = image.boxes[order[places]]
            flags = np.zeros((len(places), len(order)), dtype=bool)
            flags[:, places] = strikes([one[:, None] for one in sides(boxes)], sides(boxes), overlap)
            for place, bits in zip(places.tolist(), map(as_bits, flags), strict=True):
                struck[place] = bits
            there = image.objects[image.objects[:, 0] == kind]
            if not len(there):
                continue
            wide, aside = boxes.astype(np.float64) * image.side, there[:, 6] > 0
            found = box_shares(wide, there[~aside, 1:5])
            # Of equal overlaps the last, as in matching.
            nearest = found.shape[1] - 1 - np.argsort(-found[:, ::-1], axis=1, kind="stable")
            passed = _levels(found)
            for row in np.flatnonzero((passed > 0).any(1)).tolist():
                finds[int(places[row])] = tuple(
                    (int(kind) << 16 | number, (1 << int(passed[row, number])) - 1)
                    for number in nearest[row].tolist()
                    if passed[row, number]
                )
            if aside.any():
                ignored = _levels(box_shares(wide, there[aside, 1:5], of_box=True)).max(1)
                shown[places] = SHOWN | (ALL & ~((1 << ignored) - 1)) << LEVELS
        slots = {int(slot): as_bits(image.slots[order] == slot) for slot in np.unique(image.slots)}
        own = tuple(as_bits(kinds == kind) for kind in range(classes))
        return cls(image, order, tuple(struck), own, slots, finds, sum(1 << place for place in finds), shown)

    def __len__(self) -> int:
        return len(self.order)

    def survivors(self, left: int, stayed: int = 0, asked: int | None = None) -> int:
        """What stays of the candidates that are `left`.

        Where it is known what `stayed` of others that were left, only those need be `asked` for that came or that
        stayed and went: best first, since whether one stays follows from the better ones, and from each that changes
        those that it strikes out.
        """
        asked = left if asked is None else asked
        while asked:
            best = asked & -asked
            asked ^= best
            struck = self.strikes[best.bit_length() - 1]
            stays = left & best and not struck & stayed & (best - 1)
            if bool(stays) != bool(stayed & best):
                stayed ^= best
                asked |= struck & left & -(best << 1)
        return stayed

    def best(self, kept: int, most: int) -> int:
        """The best `most` of some over all classes."""
        if kept.bit_count() <= most:
            return kept
        last = np.flatnonzero(as_flags(kept, len(self)))[most - 1]
        return kept & ((2 << int(last)) - 1)

    def matched(self, given: int) -> Bits:
        """The bits (n,) of all candidates where some are given: those that are not have none."""
        for own in self.classes:
            if (given & own).bit_count() > MOST:
                given &= ~own | self.best(given & own, MOST)
        bits = np.where(as_flags(given, len(self)), self.shown, np.uint32(0))
        free: dict[int, int] = {}
        finding = given & self.finding
        while finding:
            lowest = finding & -finding
            finding ^= lowest
            place, right = lowest.bit_length() - 1, 0
            for number, passed in self.finds[place]:
                found = passed & free.get(number, ALL) & ~right
                free[number] = free.get(number, ALL) & ~found
                right |= found
            bits[place] |= np.uint32(right | right << LEVELS)
        return bits


def as_bits(flags: NDArray[np.bool_]) -> int:
    """A set of places as an integer."""
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")


def as_flags(bits: int, count: int) -> NDArray[np.bool_]:
    """The reverse of `as_bits`, for so many places."""
    packed = np.frombuffer(bits.to_bytes(-(-count // 8), "little"), dtype=np.uint8)
    return np.unpackbits(packed, count=count, bitorder="little").view(bool)


def _levels(shares: NDArray[np.float64]) -> NDArray[np.intp]:
    """How many of the overlaps asked for, from the least one, each share reaches."""
    return np.searchsorted(overlap_limits(), shares, side="right")
