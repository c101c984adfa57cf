"""Average precision as COCO defines it, from boxes matched image by image: cheap to repeat for other images' weights.

Source: the definitions of COCO's evaluation (https://cocodataset.org/#detection-eval): 10 overlaps from 0.5 to 0.95,
101 recalls, the best 100 boxes of a class and image. Areas of objects are not told apart here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MOST = 100
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Matched:
    """The boxes of one class in one image, best first, at each of `OVERLAPS`.

    `scores` (n,), `right` and `counted` (10, n): those that found an object, and all but those in an ignored region;
    `objects` is how many there were to find.
    """

    scores: Floats
    right: Flags
    counted: Flags
    objects: int


def match_class(scores: Floats, boxes: Floats, objects: Floats, ignored: Flags) -> Matched:
    """Match boxes (n, 4) with objects (m, 4), corners all: each by its score takes the object it overlaps most.

    A box that finds none but lies in an ignored object, by its own area, does not count.
    """
    order = np.argsort(-scores, kind="stable")[:MOST]
    scores, boxes = scores[order], boxes[order]
    return match_overlaps(
        scores, box_shares(boxes, objects[~ignored]), box_shares(boxes, objects[ignored], of_box=True)
    )


def match_overlaps(scores: Floats, found: Floats, regions: Floats) -> Matched:
    """The same from overlaps: of what was found, best first, with the objects (n, m), and with ignored ones by its own
    area (n, k)."""
    limits = overlap_limits()
    right = np.zeros((len(limits), len(scores)), dtype=bool)
    free = np.ones((len(limits), found.shape[1]), dtype=bool)
    every = np.arange(len(limits))
    if found.shape[1]:
        for number, row in enumerate(found):
            possible = np.where(free & (row >= limits[:, None]), row, -1.0)
            # Of equal overlaps the last, as COCO's own code has it.
            best = possible.shape[1] - 1 - possible[:, ::-1].argmax(1)
            right[:, number] = possible[every, best] >= 0
            free[every, best] &= ~right[:, number]
    aside = (regions[None] >= limits[:, None, None]).any(2) if regions.shape[1] else np.zeros_like(right)
    return Matched(scores, right, right | ~aside, found.shape[1])


class PooledClasses:
    """The boxes of all images in the order of their scores: for each class, a `Matched` of each image in turn."""

    def __init__(self, classes: Sequence[Sequence[Matched]]) -> None:
        self._pools = [_pool(images) for images in classes]

    def precisions(self, weights: Floats | None = None) -> Floats:
        """Average precision at each of `OVERLAPS` (10,): the mean over classes with objects; NaN where none has any.

        `weights` (images,) say how often an image counts, by default once. AP is the mean of what is given, AP50 its
        first, AP75 its sixth.
        """
        found = []
        for image, right, counted, objects in self._pools:
            own = np.ones(len(objects)) if weights is None else weights
            total = float(objects @ own)
            if total > 0:
                found.append(_class_precisions(right * own[image], counted * own[image], total))
        return np.mean(found, axis=0) if found else np.full(len(OVERLAPS), np.nan)


def _pool(images: Sequence[Matched]) -> tuple[NDArray[np.intp], Flags, Flags, NDArray[np.intp]]:
    objects = np.array([one.objects for one in images], dtype=np.intp)
    order = np.argsort(-np.concatenate([one.scores for one in images]), kind="stable")
    image = np.repeat(np.arange(len(images)), [len(one.scores) for one in images])[order]
    right = np.concatenate([one.right for one in images], axis=1)[:, order]
    counted = np.concatenate([one.counted for one in images], axis=1)[:, order]
    return image, right, counted, objects


def _class_precisions(right: Floats, counted: Floats, objects: float) -> Floats:
    hits, shown = right.cumsum(1), counted.cumsum(1)
    recalls = hits / objects
    precisions = hits / np.maximum(shown, np.spacing(1))
    precisions = np.maximum.accumulate(precisions[:, ::-1], axis=1)[:, ::-1]
    found = np.zeros(len(OVERLAPS))
    for number, (recall, precision) in enumerate(zip(recalls, precisions, strict=True)):
        places = np.searchsorted(recall, RECALLS, side="left")
        found[number] = np.append(precision, 0.0)[places].mean()
    return found


def precision_of_hits(hits: NDArray[np.intp], objects: int) -> float:
    """Average precision of one class at one overlap: which of the boxes that count, best first and from 0, are right.

    The same number as of `PooledClasses` where each image counts once. Only right boxes are looked at: before the next
    one precision falls, and recall stays.
    """
    if not objects or not len(hits):
        return 0.0
    # How many must be found for a recall: the first has that of 0 as well.
    needed = np.maximum(np.searchsorted(np.arange(objects + 1) / objects, RECALLS, side="left"), 1)
    precisions = np.arange(1, len(hits) + 1) / (hits + 1)
    best = np.append(np.maximum.accumulate(precisions[::-1])[::-1], 0.0)
    return float(best[np.minimum(needed - 1, len(hits))].mean())


def overlap_limits() -> Floats:
    """The overlaps (10,) that a box must reach: `OVERLAPS`, of which the last may be 1 less an error of rounding."""
    return np.minimum(OVERLAPS, 1 - 1e-10)


def box_shares(boxes: Floats, objects: Floats, of_box: bool = False) -> Floats:
    """Intersections of boxes (n, 4) with objects (m, 4) over their unions, or over the boxes: (n, m)."""
    low, high = (
        np.maximum(boxes[:, None, :2], objects[None, :, :2]),
        np.minimum(boxes[:, None, 2:], objects[None, :, 2:]),
    )
    shared = np.maximum(high - low, 0).prod(2)
    own, other = ((one[:, 2:] - one[:, :2]).prod(1) for one in (boxes, objects))
    whole = own[:, None] + (0 if of_box else other[None] - shared)
    return shared / np.maximum(whole, 1e-12)
