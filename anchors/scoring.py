"""Average precision without some slots, from what is known of it without all but one of them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blockfront.anchors.recorded import ImageBoxes, RecordedBoxes
from blockfront.anchors.slots import Removed
from blockfront.tasks.average_precision import Matched, PooledClasses, match_class
from blockfront.tasks.suppression import sides, strikes, within_capacity

REMEMBERED = 64
"""Configurations whose boxes are kept, to evaluate their children from."""


@dataclass(frozen=True)
class _Group:
    """The boxes of one image and class, best first: their numbers in the image, and which of them each strikes out."""

    order: NDArray[np.intp]
    strikes: NDArray[np.bool_]

    @classmethod
    def of(cls, image: ImageBoxes, kind: int, overlap: float) -> _Group:
        own = np.flatnonzero(image.classes == kind)
        order = own[np.argsort(-image.scores[own], kind="stable")]
        boxes = [one[:, None] for one in sides(image.boxes[order])]
        return cls(order, strikes(boxes, sides(image.boxes[order]), overlap))

    def survivors(self, left: NDArray[np.bool_]) -> tuple[int, ...]:
        """What stays of the boxes of the image that are `left`, best first."""
        alive = left[self.order]
        stay = []
        for place in range(len(self.order)):
            if alive[place]:
                stay.append(int(self.order[place]))
                alive &= ~self.strikes[place]
        return tuple(stay)


@dataclass(frozen=True)
class _Image:
    """What stays of one image: for each class what its own suppression leaves, and the slots of that; those that are
    among the best of the image; and these matched with its objects."""

    kept: tuple[tuple[int, ...], ...]
    slots: tuple[frozenset[int], ...]
    best: tuple[tuple[int, ...], ...]
    matched: tuple[Matched, ...]


class SlotScores:
    """AP, AP50 and AP75 of configurations, all by one post-processing: that of `RecordedBoxes`.

    A child differs from its parent only in the images and classes in which the parent keeps a box of a slot that the
    child lacks, for a box that was suppressed suppresses nobody. Nothing else is looked at again, but in images with
    more candidates than the capacity. `recomputed` counts the pairs of image and class that were.
    """

    def __init__(self, recorded: RecordedBoxes) -> None:
        self.recorded = recorded
        self.recomputed = 0
        self._groups = [
            [_Group.of(image, kind, recorded.limits.overlap) for kind in range(recorded.classes)]
            for image in recorded.images
        ]
        self._states: OrderedDict[Removed, tuple[_Image, ...]] = OrderedDict()

    def __call__(self, removed: Removed, parent: Removed = frozenset()) -> tuple[float, float, float]:
        """The metrics without the slots `removed`, which are more than those of `parent`, if that was evaluated."""
        known = self._states.get(parent) if parent <= removed else None
        before = known or [None] * len(self.recorded.images)
        state = tuple(
            self._image(image, groups, removed, one)
            for image, groups, one in zip(self.recorded.images, self._groups, before, strict=True)
        )
        self._states[removed] = state
        self._states.move_to_end(removed)
        if len(self._states) > REMEMBERED:
            self._states.popitem(last=False)
        pooled = PooledClasses([[image.matched[kind] for image in state] for kind in range(self.recorded.classes)])
        precisions = pooled.precisions()
        return float(precisions.mean()), float(precisions[0]), float(precisions[5])

    def _image(self, image: ImageBoxes, groups: list[_Group], removed: Removed, before: _Image | None) -> _Image:
        limits = self.recorded.limits
        changed = list(range(len(groups)))
        coupled = len(image.slots) > limits.candidates
        if before is not None and not coupled:
            changed = [kind for kind in changed if not removed.isdisjoint(before.slots[kind])]
            if not changed:
                return before
        left = ~np.isin(image.slots, [*removed])
        if coupled:
            looked_at = np.flatnonzero(left)
            left[:] = False
            left[looked_at[within_capacity(image.scores[looked_at], limits)]] = True
        self.recomputed += len(changed)
        kept: list[tuple[int, ...]] = [()] * len(groups) if before is None else list(before.kept)
        slots = [frozenset[int]() for _ in groups] if before is None else list(before.slots)
        for kind in changed:
            kept[kind] = groups[kind].survivors(left)
            slots[kind] = frozenset(image.slots[[*kept[kind]]].tolist())
        best = _best(image, kept, limits.kept)
        matched = tuple(
            before.matched[kind]
            if before is not None and before.best[kind] == best[kind]
            else _match(image, kind, best[kind])
            for kind in range(len(groups))
        )
        return _Image(tuple(kept), tuple(slots), best, matched)


def _best(image: ImageBoxes, kept: list[tuple[int, ...]], most: int) -> tuple[tuple[int, ...], ...]:
    """The best of an image over all classes: those that suppression would have given first."""
    if sum(map(len, kept)) <= most:
        return tuple(kept)
    together = np.array(sorted(index for own in kept for index in own), dtype=np.intp)
    best = set(together[np.argsort(-image.scores[together], kind="stable")[:most]].tolist())
    return tuple(tuple(index for index in own if index in best) for own in kept)


def _match(image: ImageBoxes, kind: int, best: tuple[int, ...]) -> Matched:
    own = np.array(best, dtype=np.intp)
    there = image.objects[image.objects[:, 0] == kind]
    boxes = image.boxes[own].astype(np.float64) * image.side
    return match_class(image.scores[own].astype(np.float64), boxes, there[:, 1:5], there[:, 6] > 0)
