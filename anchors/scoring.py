"""Average precision without some slots, from what is known of it without all but one of them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blockfront.anchors.candidates import ALL, LEVELS, SHOWN, Bits, ImageCandidates, as_bits
from blockfront.anchors.recorded import RecordedBoxes
from blockfront.anchors.slots import Removed
from blockfront.tasks.average_precision import precision_of_hits
from blockfront.tasks.suppression import within_capacity

REMEMBERED = 64
"""Configurations whose boxes are kept, to evaluate their children from."""


@dataclass(frozen=True)
class _State:
    """What of each image is looked at, what stays of it after suppression, and how all candidates are matched then: of
    each class by score. The average precisions are (classes, overlaps)."""

    looked_at: list[int]
    kept: list[int]
    matched: Bits
    precisions: NDArray[np.float64]


class SlotScores:
    """AP, AP50 and AP75 of configurations, all by one post-processing: that of `RecordedBoxes`.

    A child differs from its parent only in the images and classes in which the parent keeps a box of a slot that the
    child lacks, for a box that was suppressed suppresses nobody, and where images have more candidates than the
    capacity in those that come within it. Nothing else is looked at again. `recomputed` counts the pairs of image and
    class that were.
    """

    def __init__(self, recorded: RecordedBoxes) -> None:
        self.recorded = recorded
        self.recomputed = 0
        classes = range(recorded.classes)
        self._images = [
            ImageCandidates.of(image, recorded.classes, recorded.limits.overlap) for image in recorded.images
        ]
        self._places, self._starts = _in_order(self._images, recorded.classes)
        objects = np.concatenate([np.empty((0, 7)), *(image.objects for image in recorded.images)])
        self._objects = [int(((objects[:, 0] == kind) & (objects[:, 6] == 0)).sum()) for kind in classes]
        self._states: OrderedDict[Removed, _State] = OrderedDict()

    def __call__(self, removed: Removed, parent: Removed = frozenset()) -> tuple[float, float, float]:
        """The metrics without the slots `removed`, of which `parent` lacks some: what it leaves is evaluated first,
        unless it is remembered."""
        counted = [kind for kind, objects in enumerate(self._objects) if objects]
        if not counted:
            return (float("nan"),) * 3
        precisions = self._state(removed, parent).precisions[counted].mean(0)
        return float(precisions.mean()), float(precisions[0]), float(precisions[5])

    def _state(self, removed: Removed, parent: Removed) -> _State:
        if removed not in self._states:
            before = self._state(parent, parent) if parent < removed else self._nothing()
            self._states[removed] = self._changed(before, removed)
            if len(self._states) > REMEMBERED:
                self._states.popitem(last=False)
        self._states.move_to_end(removed)
        return self._states[removed]

    def _nothing(self) -> _State:
        return _State(
            [0] * len(self._images),
            [0] * len(self._images),
            np.zeros(self._starts[-1], dtype=np.uint32),
            np.zeros((self.recorded.classes, LEVELS)),
        )

    def _changed(self, before: _State, removed: Removed) -> _State:
        """What becomes of a state where these slots are lacking."""
        limits = self.recorded.limits
        kept, matched, precisions = before.kept.copy(), before.matched.copy(), before.precisions.copy()
        gone = np.isin(np.arange(len(self.recorded.slots)), [*removed])
        looked_at = [self._looked_at(image, removed, gone) for image in self._images]
        touched: set[int] = set()
        for number, (image, left) in enumerate(zip(self._images, looked_at, strict=True)):
            was = before.kept[number]
            asked = left & ~before.looked_at[number] | was & ~left
            if not asked:
                continue
            self.recomputed += sum(1 for own in image.classes if asked & own)
            kept[number] = image.survivors(left, was, asked)
            old, new = (image.best(one, limits.kept) for one in (was, kept[number]))
            if old != new:
                matched[self._places[number]] = image.matched(new)
                touched |= {kind for kind, own in enumerate(image.classes) if (old ^ new) & own}
        for kind in touched:
            own_boxes = matched[self._starts[kind] : self._starts[kind + 1]]
            precisions[kind] = _precisions(own_boxes, self._objects[kind])
        return _State(looked_at, kept, matched, precisions)

    def _looked_at(self, image: ImageCandidates, removed: Removed, gone: NDArray[np.bool_]) -> int:
        """The candidates of an image that are looked at without these slots: all that are left, or the best."""
        limits = self.recorded.limits
        if len(image) <= limits.candidates:
            return ((1 << len(image)) - 1) & ~_of(image, removed)
        own = image.image
        left = np.flatnonzero(~gone[own.slots])
        within = np.zeros(len(image), dtype=bool)
        within[left[within_capacity(own.scores[left], limits)]] = True
        return as_bits(within[image.order])


def _of(image: ImageCandidates, slots: Removed) -> int:
    found = 0
    for slot in slots & image.slots.keys():
        found |= image.slots[slot]
    return found


def _in_order(images: list[ImageCandidates], classes: int) -> tuple[list[NDArray[np.intp]], list[int]]:
    """The places of each image's candidates among all, class by class by score, and where each class begins."""
    scores = np.concatenate([np.empty(0, dtype=np.float32), *(one.image.scores[one.order] for one in images)])
    kinds = np.concatenate([np.empty(0, dtype=np.intp), *(one.image.classes[one.order] for one in images)])
    rank = np.empty(len(scores), dtype=np.intp)
    # Equal scores stay in the order of the images.
    rank[np.lexsort((-scores, kinds))] = np.arange(len(scores))
    ends = np.cumsum([len(one) for one in images])
    starts = np.concatenate([[0], np.cumsum(np.bincount(kinds, minlength=classes))])
    return np.split(rank, ends[:-1]), starts.tolist()


def _precisions(matched: Bits, objects: int) -> NDArray[np.float64]:
    """Average precision of a class at each overlap, of its candidates by score."""
    shown = matched[matched >= SHOWN]
    right = np.flatnonzero(shown & np.uint32(ALL))
    aside = np.flatnonzero(shown >> np.uint32(LEVELS) & np.uint32(ALL) ^ np.uint32(ALL))
    found = np.zeros(LEVELS)
    for level in range(LEVELS):
        hits = right[shown[right] >> np.uint32(level) & np.uint32(1) == 1]
        ignored = aside[shown[aside] >> np.uint32(LEVELS + level) & np.uint32(1) == 0]
        found[level] = precision_of_hits(hits - np.searchsorted(ignored, hits), objects)
    return found
