"""Objects in a picture: their classes and boxes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from blockfront.errors import UsageError, first_line
from blockfront.plurals import counted
from blockfront.tasks.box_loss import box_loss
from blockfront.tasks.boxes import AnchorOutputs
from blockfront.tasks.detection_scores import BoxScores
from blockfront.tasks.task import TASKS, Evaluator, Task

DETECTION = "detection"
COLUMNS = 7
"""Of a target: class, left, top, right, bottom, area, and whether it is ignored."""
SIZES = {
    "small": (0, 1024, "up to 1024 pixels of area"),
    "medium": (1024, 9216, "1024 to 9216 pixels of area"),
    "large": (9216, 1e10, "9216 pixels of area or more"),
}
"""COCO's: the least and the largest area of an object of that size, both with it, and these in words."""


def present_classes(targets: Tensor, classes: int) -> Tensor:
    """Which classes have an object that is not ignored, from targets (N, rows, 7): (N, classes), 0 or 1."""
    kinds, ignored = targets[..., 0].long(), targets[..., 6] > 0
    # One more column is for rows of no class.
    kept = torch.where((kinds < 0) | ignored, classes, kinds)
    return torch.nn.functional.one_hot(kept, classes + 1)[..., :classes].amax(1).to(targets.dtype)


def counting_images(labels: Iterable[Any]) -> list[bool]:
    """Which images have an object that is not ignored, by the rows that a data set says of each."""
    return [len(counting_areas(label)) > 0 for label in labels]


def counting_areas(rows: Any) -> Tensor:
    """The areas in pixels of an image's objects that are not ignored; raises `UsageError` for what is no rows."""
    try:
        found = torch.as_tensor(rows, dtype=torch.float32).reshape(-1, COLUMNS)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"detection takes rows of {COLUMNS} numbers an image: {first_line(error)}") from error
    return found[(found[:, 0] >= 0) & ~(found[:, 6] > 0), 5]


class Detection(Task):
    """Objects by class and box; networks give `AnchorOutputs`.

    What a data set says of an image are rows of seven numbers, in float32: the class, -1 for none; left, top, right,
    bottom as shares of the picture's width and height; the object's area in pixels; and 1 where it is ignored, such as
    a crowd, else 0. The first row is the picture itself, of no class: it says how many pixels it has. Rows of no class
    fill up batches.
    """

    name = DETECTION
    title = "objects by class and box"
    tag = "d"
    metrics: ClassVar[tuple[str, ...]] = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
    places = "boxes"

    def target_shape(self, outputs: int) -> tuple[int, ...]:
        """Seven numbers of the picture itself; its objects have as many each."""
        return (1, COLUMNS)

    def targets(self, values: Sequence[Any] | Tensor, outputs: int) -> Tensor:
        """Rows of all images, (N, rows, 7), filled up to the most that an image has."""
        try:
            found = [self.rows(value) for value in values]
        except (TypeError, ValueError, RuntimeError) as error:
            raise UsageError(f"detection takes rows of {COLUMNS} numbers an image: {first_line(error)}") from error
        filled = torch.zeros(len(found), max(map(len, found), default=0), found[0].shape[1] if found else COLUMNS)
        filled[..., 0] = -1
        for row, one in zip(filled, found, strict=True):
            if not len(one) or one[0, 0] != -1:
                raise UsageError("detection takes the picture itself as the first row of an image, of class -1")
            row[: len(one)] = one
        if (filled[..., 0] >= outputs).any():
            raise UsageError(f"detection of {counted(outputs, 'class')} takes no class {int(filled[..., 0].max())}")
        return filled

    def rows(self, value: Any) -> Tensor:
        """Of one image, as `targets` fills them up."""
        return torch.as_tensor(value, dtype=torch.float32).reshape(-1, COLUMNS)

    def check(self, outputs: Any, images: int, wanted: int) -> None:
        """Raise `UsageError` for outputs that are none of a detector for these classes."""
        if not isinstance(outputs, AnchorOutputs):
            raise UsageError("the network gives no boxes; take one of a space for detection, such as detect")
        shape = tuple(outputs.logits.shape)
        if (shape[0], shape[-1] - outputs.background) != (images, wanted):
            raise UsageError(
                f"the network gives {counted(shape[-1] - outputs.background, 'class')} for "
                f"{counted(shape[0], 'image')}, not {wanted} for {images}; build it with num_classes={wanted}"
            )

    def loss(self, outputs: AnchorOutputs, targets: Tensor, label_smoothing: float) -> Tensor:
        """Classes are not smoothed: most anchors are background."""
        classes, boxes, ignored = targets[..., 0].long(), targets[..., 1:5], targets[..., 6] > 0
        return box_loss(outputs, classes, boxes, ignored)

    def evaluator(self, outputs: int) -> Evaluator:
        return BoxScores(outputs)

    def areas(self, label: Any) -> Tensor:
        """Of one image, by what a data set says of it, the areas in pixels of the objects that are not ignored."""
        return counting_areas(label)

    def lacks(self, metric: str, labels: Iterable[Any]) -> str | None:
        """Where no object counts, and of a size where none that counts is of it."""
        size = metric.rpartition("_")[2]
        least, most, words = SIZES.get(size, (-math.inf, math.inf, ""))
        if any(((areas >= least) & (areas <= most)).any() for areas in map(self.areas, labels)):
            return None
        return f"no object that counts is {size} ({words})" if words else "there is no object that is not ignored"

    def mirrored(self, targets: Tensor) -> Tensor:
        left, right = 1 - targets[..., 3], 1 - targets[..., 1]
        return torch.cat([targets[..., :1], left[..., None], targets[..., 2:3], right[..., None], targets[..., 4:]], -1)


TASKS.add(DETECTION, Detection())
