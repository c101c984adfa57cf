"""A class for each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from blockfront.errors import UsageError, first_line
from blockfront.plurals import counted
from blockfront.tasks.masks import IGNORED, enlarged, nearest_class
from blockfront.tasks.pixel_scores import PixelScores
from blockfront.tasks.task import TASKS, Evaluator, Task

SEGMENTATION = "segmentation"


class Segmentation(Task):
    """A class a pixel; networks give logits (N, classes, H, W), at the input's size or at a fraction of it.

    What a data set says of an image is a mask (H, W) of classes, counted from 0, and of `IGNORED`. Logits of fewer
    pixels than the mask are brought to its size bilinearly, with pixels' centres aligned, in training and in tests.
    """

    name = SEGMENTATION
    title = "a class a pixel, by logits"
    tag = "s"
    metrics = ("miou", "pixel_accuracy")
    dtype = torch.int64
    fewest = 2
    places = "pixels"

    def fitted(self, values: Sequence[Any] | Tensor, resolution: int) -> Sequence[Any] | Tensor:
        """Masks of any size (..., H, W) as (..., resolution, resolution): of each pixel the nearest one's class."""
        if isinstance(values, Tensor):
            return nearest_class(values, resolution)
        return [nearest_class(torch.as_tensor(value), resolution) for value in values]

    def targets(self, values: Sequence[Any] | Tensor, outputs: int) -> Tensor:
        """The masks of all images, (N, H, W)."""
        try:
            if not isinstance(values, Tensor):
                values = torch.stack([torch.as_tensor(value) for value in values])
            if values.ndim != 3 or values.is_floating_point():
                raise ValueError(f"these are {values.dtype} of shape {tuple(values.shape[1:])}")
        except (TypeError, ValueError, RuntimeError) as error:
            raise UsageError(
                f"segmentation takes a mask of whole numbers an image, all of one size: {first_line(error)}"
            ) from error
        found = values.long()
        strange = (found < 0) | ((found >= outputs) & (found != IGNORED))
        if strange.any():
            raise UsageError(f"segmentation of {counted(outputs, 'class')} takes no class {int(found[strange][0])}")
        return found

    def check(self, outputs: Any, images: int, wanted: int) -> None:
        """Raise `UsageError` for outputs that are no maps of so many logits."""
        if not isinstance(outputs, Tensor) or outputs.ndim != 4:
            raise UsageError("the network gives no classes of pixels; take one of a space for segmentation")
        if outputs.shape[:2] != (images, wanted):
            raise UsageError(
                f"the network gives {counted(outputs.shape[1], 'class')} for {counted(len(outputs), 'image')}, not "
                f"{wanted} for {images}; build it with num_classes={wanted}"
            )

    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
        """The mean cross-entropy over the batch's pixels; 0 where all are ignored."""
        logits = enlarged(outputs.float(), targets)
        total = F.cross_entropy(logits, targets, ignore_index=IGNORED, label_smoothing=label_smoothing, reduction="sum")
        return total / (targets != IGNORED).sum().clamp(min=1)

    def evaluator(self, outputs: int) -> Evaluator:
        return PixelScores(outputs)

    def mirrored(self, targets: Tensor) -> Tensor:
        return targets.flip(-1)


TASKS.add(SEGMENTATION, Segmentation())
