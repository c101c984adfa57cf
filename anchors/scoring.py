"""Average precision without some slots, from what is known of it without all but one of them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blockfront.anchors.recorded import ImageBoxes, RecordedBoxes
from blockfront.anchors.slots import Removed
from blockfront.tasks.average_precision import Matched, PooledClasses, match_class
from blockfront.tasks.suppression import Limits, survivors, within_capacity

REMEMBERED = 64
"""Configurations whose boxes are kept, to evaluate their children from."""


@dataclass(frozen=True)
class _Image:
    """What stays of one image: for each class the candidates that its own suppression keeps, those of them that are
    among the best of the image, and these matched with its objects."""

    kept: tuple[tuple[int, ...], ...]
    best: tuple[tuple[int, ...], ...]
    matched: tuple[Matched, ...]


class SlotScores:
    """AP, AP50 and AP75 of configurations, all by one post-processing: that of `RecordedBoxes`.

    A child differs from its parent only in the images and classes in which the parent keeps a box of a slot that the
    child lacks, for a box that was suppressed suppresses nobody. Nothing else is looked at again, but in images with
    more candidates than the capacity. `recomputed` counts the pairs of image and class that were.
    """

    def __init__(self, candidates: RecordedBoxes) -> None:
        self.candidates = candidates
        self.recomputed = 0
        self._states: OrderedDict[Removed, tuple[_Image, ...]] = OrderedDict()

    def __call__(self, removed: Removed, parent: Removed = frozenset()) -> tuple[float, float, float]:
        """The metrics without the slots `removed`, which are more than those of `parent`, if that was evaluated."""
        before = self._states.get(parent) if parent <= removed else None
        gone = np.array(sorted(removed), dtype=np.intp)
        state = tuple(
            self._image(image, gone, None if before is None else before[number])
            for number, image in enumerate(self.candidates.images)
        )
        self._states[removed] = state
        self._states.move_to_end(removed)
        if len(self._states) > REMEMBERED:
            self._states.popitem(last=False)
        pooled = PooledClasses([[image.matched[kind] for image in state] for kind in range(self.candidates.classes)])
        precisions = pooled.precisions()
        return float(precisions.mean()), float(precisions[0]), float(precisions[5])

    def _image(self, image: ImageBoxes, gone: NDArray[np.intp], before: _Image | None) -> _Image:
        limits, classes = self.candidates.limits, self.candidates.classes
        left = np.flatnonzero(~np.isin(image.slots, gone))
        coupled = len(image.slots) > limits.candidates
        if coupled:
            left = left[within_capacity(image.scores[left], limits)]
        lost = None if before is None or coupled else set(gone.tolist())
        kept = []
        for kind in range(classes):
            if lost is not None and before is not None and not lost & set(image.slots[[*before.kept[kind]]].tolist()):
                kept.append(before.kept[kind])
                continue
            self.recomputed += 1
            kept.append(_suppressed(image, left[image.classes[left] == kind], limits))
        best = _best(image, kept, limits.kept)
        matched = tuple(
            before.matched[kind]
            if before is not None and before.best[kind] == best[kind]
            else _match(image, kind, best[kind])
            for kind in range(classes)
        )
        return _Image(tuple(kept), best, matched)


def _suppressed(image: ImageBoxes, own: NDArray[np.intp], limits: Limits) -> tuple[int, ...]:
    """What stays of the candidates of one class, however many they are."""
    alone = replace(limits, kept=len(own) + 1)
    stay = survivors(image.scores[own], image.classes[own], image.boxes[own], alone)
    return tuple(own[stay].tolist())


def _best(image: ImageBoxes, kept: list[tuple[int, ...]], most: int) -> tuple[tuple[int, ...], ...]:
    """The best of an image over all classes: those that suppression would have given first."""
    together = np.array(sorted(index for own in kept for index in own), dtype=np.intp)
    if len(together) <= most:
        return tuple(kept)
    best = set(together[np.argsort(-image.scores[together], kind="stable")[:most]].tolist())
    return tuple(tuple(index for index in own if index in best) for own in kept)


def _match(image: ImageBoxes, kind: int, best: tuple[int, ...]) -> Matched:
    own = np.array(best, dtype=np.intp)
    there = image.objects[image.objects[:, 0] == kind]
    boxes = image.boxes[own].astype(np.float64) * image.side
    return match_class(image.scores[own].astype(np.float64), boxes, there[:, 1:5], there[:, 6] > 0)
