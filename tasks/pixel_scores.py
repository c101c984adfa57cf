"""Mean intersection over union and pixel accuracy on test images, with intervals over the images."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from blockfront.results import Score, bootstrap, bootstrap95, interval95
from blockfront.tasks.masks import IGNORED, enlarged

ClassPixels = NDArray[np.float64]


@dataclass
class PixelScores:
    """Of each image and class, the pixels that are right, those of the class, and those that are given it.

    These are the diagonal and both margins of the image's confusion matrix, all that the metrics ask of it. Pixels with
    the target `IGNORED` count nowhere, whatever they are given.
    """

    classes: int
    images: list[ClassPixels] = field(default_factory=list)

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        given = enlarged(outputs.float(), targets).argmax(1)
        counted = targets != IGNORED
        # All images at once: those of image i are counted from i times the number of classes on.
        first = torch.arange(len(targets), device=targets.device).view(-1, 1, 1) * self.classes
        right = counted & (given == targets)
        parts = ((targets, right), (targets, counted), (given, counted))
        counts = [
            torch.bincount((classes + first)[where], minlength=len(targets) * self.classes) for classes, where in parts
        ]
        found = torch.stack(counts).view(3, len(targets), self.classes)
        self.images += list(found.transpose(0, 1).double().cpu().numpy())

    def scores(self) -> dict[str, Score]:
        """`miou` and `pixel_accuracy`; what has no pixel at all is not a number."""
        counts = np.stack(self.images).reshape(len(self.images), -1)

        def drawn(rows: NDArray[np.intp]) -> tuple[float, float]:
            weights = np.bincount(rows, minlength=len(counts)).astype(np.float64)
            return metrics((weights @ counts).reshape(3, self.classes))

        draws = bootstrap(drawn, len(counts))
        values = metrics(counts.sum(0).reshape(3, self.classes))
        intervals = [interval95(column) for column in draws.T] if len(counts) > 1 else [(), ()]
        named = zip(("miou", "pixel_accuracy"), values, intervals, strict=True)
        return {name: Score(value, *ends) for name, value, ends in named}

    def drop(self, other: PixelScores) -> Score:
        both = [np.stack(one.images).reshape(len(one.images), -1) for one in (self, other)]

        def lost(weights: NDArray[np.float64]) -> float:
            own, others = (metrics((weights @ counts).reshape(3, self.classes))[0] for counts in both)
            return own - others

        images = len(self.images)
        interval = bootstrap95(lambda rows: lost(np.bincount(rows, minlength=images).astype(np.float64)), images)
        return Score(lost(np.ones(images)), *interval)


def metrics(counts: ClassPixels) -> tuple[float, float]:
    """Mean intersection over union (Everingham et al. 2015, IJCV 111), and pixel accuracy.

    `counts` (3, classes) are those of `PixelScores`, over all images. Classes that no pixel has and none is given are
    left out of the mean.
    """
    right, labelled, given = counts
    union = labelled + given - right
    there = union > 0
    if not labelled.sum():
        return float("nan"), float("nan")
    return float((right[there] / union[there]).mean()), float(right.sum() / labelled.sum())
