"""The candidates of one image, with sets of them as the bits of an integer: the best is the lowest."""

from __future__ import annotations

from collections.abc import Sequence
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
_BLOCK = 32
"""Candidates of a class for which it is found at once whom they strike out: as fast as rows of any number are."""


@dataclass(frozen=True)
class ImageCandidates:
    """Candidates of an image, best first.

    `order` are their numbers in the image, `classes` and `slots` those of each class and of each slot. `finds` has for
    each candidate that overlaps objects of its class their numbers, the one it overlaps most first, and at which
    overlaps it finds them. `shown` are the bits of each, in case that it is given and right nowhere. `strikes` says
    which others of its class each strikes out if it stays.
    """

    image: ImageBoxes
    order: NDArray[np.intp]
    classes: tuple[int, ...]
    slots: dict[int, int]
    finds: dict[int, tuple[tuple[int, int], ...]]
    finding: int
    shown: Bits
    strikes: Strikes

    @classmethod
    def of(cls, image: ImageBoxes, classes: int, overlap: float) -> ImageCandidates:
        """Those of an image, for suppression above `overlap`."""
        order = np.argsort(-image.scores, kind="stable")
        kinds = image.classes[order]
        own = [np.flatnonzero(kinds == kind) for kind in range(classes)]
        finds: dict[int, tuple[tuple[int, int], ...]] = {}
        shown = np.full(len(order), SHOWN | ALL << LEVELS, dtype=np.uint32)
        for kind, places in enumerate(own):
            there = image.objects[image.objects[:, 0] == kind]
            if not len(there):
                continue
            wide, aside = image.boxes[order[places]].astype(np.float64) * image.side, there[:, 6] > 0
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
        bits = tuple(as_bits(kinds == kind) for kind in range(classes))
        finding = sum(1 << place for place in finds)
        return cls(image, order, bits, slots, finds, finding, shown, Strikes(image.boxes[order], own, overlap))

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
            struck = self.strikes.of(best.bit_length() - 1)
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


class Strikes:
    """Which others of its class a candidate strikes out if it stays; found when it is asked for first.

    Most candidates of a crowded image are beyond its capacity or struck out themselves, and are never asked about.
    """

    def __init__(self, boxes: NDArray[np.float32], classes: Sequence[NDArray[np.intp]], overlap: float) -> None:
        self._count, self._overlap = len(boxes), overlap
        self._classes = [(places, sides(boxes[places])) for places in classes]
        self._where = np.empty((self._count, 2), dtype=np.intp)
        for kind, places in enumerate(classes):
            self._where[places] = np.c_[np.full(len(places), kind), np.arange(len(places))]
        self._known: dict[int, int] = {}

    def of(self, place: int) -> int:
        """Those that the candidate at a place strikes out."""
        if place not in self._known:
            kind, number = self._where[place].tolist()
            self._find(kind, number - number % _BLOCK)
        return self._known[place]

    def _find(self, kind: int, first: int) -> None:
        (places, own), block = self._classes[kind], slice(first, first + _BLOCK)
        struck = strikes([one[block, None] for one in own], own, self._overlap)
        flags = np.zeros((len(struck), self._count), dtype=bool)
        flags[:, places] = struck
        self._known |= zip(places[block].tolist(), map(as_bits, flags), strict=True)


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
