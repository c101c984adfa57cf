"""COCO's average precisions of a detector on test images, with intervals over the images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from blockfront.results import Score, bootstrap, bootstrap95, interval95
from blockfront.tasks.average_precision import MOST, Matched, PooledClasses, match_class
from blockfront.tasks.boxes import AnchorOutputs, decode
from blockfront.tasks.suppression import Limits, suppress

NAMES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
PLACES = (0, 5)
"""Of AP50 and AP75 among the overlaps of AP."""
DRAWS = 200
"""Of the bootstrap: each takes as long as evaluating all images once more."""


@dataclass
class BoxScores:
    """Boxes that a detector gives for test images, and the objects that there are, evaluated together at the end.

    Places are in pixels of a square of the picture's area: overlaps and areas are what they are in the picture.
    """

    classes: int
    limits: Limits = field(default_factory=Limits)
    found: list[NDArray[np.float64]] = field(default_factory=list)
    objects: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, outputs: AnchorOutputs, targets: Tensor) -> None:
        scores = outputs.probabilities().float().cpu().numpy()
        boxes = decode(outputs.deltas.float(), outputs.anchors).cpu().numpy()
        for one, places, rows in zip(scores, boxes, targets.cpu().double().numpy(), strict=True):
            side = rows[0, 5] ** 0.5
            stay, classes = suppress(one, places, self.limits)
            self.found.append(np.column_stack([classes, places[stay].astype(np.float64) * side, one[stay, classes]]))
            objects = rows[rows[:, 0] >= 0]
            objects[:, 1:5] *= side
            self.objects.append(objects)

    def scores(self) -> dict[str, Score]:
        """`NAMES`, but for sizes that no object has; the first three have intervals."""
        statistics = coco_statistics(self.found, self.objects, self.classes)
        return with_intervals(NAMES, statistics, self._by_class())

    def drop(self, other: BoxScores) -> Score:
        return precision_lost(self._by_class(), other._by_class())

    def _by_class(self) -> list[list[Matched]]:
        return [self._matched(number) for number in range(self.classes)]

    def _matched(self, number: int) -> list[Matched]:
        """Of one class, each image."""
        found = []
        for boxes, objects in zip(self.found, self.objects, strict=True):
            own, there = boxes[boxes[:, 0] == number], objects[objects[:, 0] == number]
            found.append(match_class(own[:, 5], own[:, 1:5], there[:, 1:5], there[:, 6] > 0))
        return found


def with_intervals(names: Sequence[str], statistics: list[float], matched: list[list[Matched]]) -> dict[str, Score]:
    """COCO's statistics by name, but for those without a value; the first three with intervals over the images.

    `matched` has for each class what was found in each image.
    """
    pooled, images = PooledClasses(matched), len(matched[0])

    def drawn(rows: NDArray[np.intp]) -> NDArray[np.float64]:
        precisions = pooled.precisions(np.bincount(rows, minlength=images).astype(np.float64))
        return np.array([precisions.mean(), *(precisions[place] for place in PLACES)])

    draws = bootstrap(drawn, images, DRAWS)
    intervals = {name: interval95(column) for name, column in zip(names, draws.T, strict=False)}
    values = zip(names, statistics, strict=True)
    return {name: Score(value, *intervals.get(name, ())) for name, value in values if math.isfinite(value)}


def precision_lost(own: list[list[Matched]], others: list[list[Matched]]) -> Score:
    """How much less AP others have, of each class what was found in each image; images are those of both."""
    pools, images = (PooledClasses(own), PooledClasses(others)), len(own[0])

    def lost(weights: NDArray[np.float64] | None) -> float:
        before, after = (pool.precisions(weights).mean() for pool in pools)
        return float(before - after)

    def drawn(rows: NDArray[np.intp]) -> float:
        return lost(np.bincount(rows, minlength=images).astype(np.float64))

    return Score(lost(None), *bootstrap95(drawn, images, DRAWS))


def coco_statistics(found: list[NDArray[np.float64]], objects: list[NDArray[np.float64]], classes: int) -> list[float]:
    """AP, AP50, AP75, and AP of small, medium and large objects, by faster-coco-eval; NaN where there are no objects.

    `found` has an array (n, 6) for each image: class, corners, score; `objects` (m, 7) as in a target of detection.
    """
    annotations: list[dict[str, Any]] = []
    for image, rows in enumerate(objects):
        for kind, left, top, right, bottom, area, ignored in rows.tolist():
            box = [left, top, right - left, bottom - top]
            where = {"id": len(annotations) + 1, "image_id": image, "category_id": int(kind)}
            annotations.append({**where, "bbox": box, "area": area, "iscrowd": int(ignored)})
    boxes = [
        np.column_stack([np.full(len(rows), image), rows[:, 1:3], rows[:, 3:5] - rows[:, 1:3], rows[:, 5], rows[:, 0]])
        for image, rows in enumerate(found)
    ]
    together = np.concatenate(boxes)
    images = [{"id": image} for image in range(len(objects))]
    return evaluated(images, annotations, together if len(together) else [], "bbox", classes)


def evaluated(
    images: list[dict[str, Any]],
    annotations: list[dict[str, Any]],
    results: Any,
    what: str,
    classes: int,
) -> list[float]:
    """The same of lists as faster-coco-eval takes them, which are changed; `what`: "bbox" or "segm".

    An image may have a "scale", by which areas of what was found are multiplied: they tell sizes apart.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    truth = COCO(
        {
            "images": images,
            "categories": [{"id": kind, "name": str(kind)} for kind in range(classes)],
            "annotations": annotations,
        }
    )
    found = truth.loadRes(results)
    for one in found.anns.values():
        one["area"] *= truth.imgs[one["image_id"]].get("scale", 1)
    evaluation = COCOeval_faster(truth, found, what)
    evaluation.params.maxDets = [1, 10, MOST]
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return [float(value) if value >= 0 else float("nan") for value in evaluation.stats[:6]]
