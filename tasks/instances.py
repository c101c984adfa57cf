"""Objects in a picture: their classes, boxes and masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from blockfront.errors import UsageError
from blockfront.tasks.box_loss import box_loss, match_anchors
from blockfront.tasks.boxes import AnchorOutputs
from blockfront.tasks.detection import COLUMNS, Detection
from blockfront.tasks.instance_scores import MASK_NAMES, InstanceScores
from blockfront.tasks.masks import nearest_class
from blockfront.tasks.packed_masks import SMALLEST_SIDE, inside_boxes, pack_masks, unpack_masks
from blockfront.tasks.task import TASKS, Evaluator

INSTANCES = "instances"
MASK_WEIGHT = 6.125
"""Of the masks' loss beside that of classes and boxes (Bolya et al. 2019, section 3.1)."""


class InstanceSegmentation(Detection):
    """Objects by class, box and mask; networks give `AnchorOutputs` with coefficients and prototypes.

    What a data set says of an image are rows of detection, and a mask (rows, H, W) of each row, of true and false: that
    of the picture itself is empty. Masks are brought to the input's pixels, in which they are learned and scored.
    """

    name = INSTANCES
    title = "objects by class, box and mask"
    tag = "i"
    metrics = (*MASK_NAMES, *Detection.metrics)

    def fitted(self, values: Sequence[Any] | Tensor, resolution: int) -> Sequence[Any] | Tensor:
        """Rows with their masks packed behind, of resolution × resolution pixels each; a tensor has them packed."""
        if resolution < SMALLEST_SIDE:
            raise UsageError(f"masks have {SMALLEST_SIDE} × {SMALLEST_SIDE} pixels or more, not {resolution}")
        if isinstance(values, Tensor):
            masks = unpack_masks(values[..., COLUMNS:])
            if masks.shape[-1] == resolution:
                return values
            return torch.cat([values[..., :COLUMNS], pack_masks(nearest_class(masks, resolution))], dim=-1)
        return [packed_rows(rows, masks, resolution) for rows, masks in values]

    def rows(self, value: Any) -> Tensor:
        """Of one image, with the masks packed behind."""
        found = torch.as_tensor(value, dtype=torch.float32)
        if found.ndim != 2 or found.shape[1] <= COLUMNS:
            raise ValueError(f"these have the shape {tuple(found.shape)}, and no masks")
        return found

    def areas(self, label: Any) -> Tensor:
        """Of one image, of rows and masks, or rows with or without these packed behind."""
        rows = label if hasattr(label, "shape") else label[0]
        return super().areas(torch.as_tensor(rows)[..., :COLUMNS])

    def check(self, outputs: Any, images: int, wanted: int) -> None:
        """Raise `UsageError` for outputs that are none of a network for these classes, with masks."""
        super().check(outputs, images, wanted)
        if outputs.coefficients is None or outputs.prototypes is None:
            raise UsageError("the network gives no masks; take one of a space for instances, such as instances")

    def loss(self, outputs: AnchorOutputs, targets: Tensor, label_smoothing: float) -> Tensor:
        """That of detection, and the masks': see `mask_loss`."""
        classes, boxes, ignored = targets[..., 0].long(), targets[..., 1:5], targets[..., 6] > 0
        objects = match_anchors(outputs.anchors, boxes, (classes >= 0) & ~ignored)
        masks = unpack_masks(targets[..., COLUMNS:])
        found = box_loss(outputs, classes, boxes, ignored, objects)
        return found + MASK_WEIGHT * mask_loss(outputs, objects, boxes, masks)

    def evaluator(self, outputs: int) -> Evaluator:
        return InstanceScores(outputs)

    def mirrored(self, targets: Tensor) -> Tensor:
        masks = pack_masks(unpack_masks(targets[..., COLUMNS:]).flip(-1))
        return torch.cat([super().mirrored(targets[..., :COLUMNS]), masks], dim=-1)


def packed_rows(rows: Any, masks: Any, resolution: int) -> Tensor:
    """Rows (n, 7) of an image with their masks (n, H, W) packed behind, of resolution × resolution pixels each."""
    fitted = nearest_class(torch.as_tensor(np.asarray(masks)), resolution)
    return torch.cat([torch.as_tensor(rows, dtype=torch.float32), pack_masks(fitted)], dim=1)


def mask_loss(outputs: AnchorOutputs, objects: Tensor, boxes: Tensor, masks: Tensor) -> Tensor:
    """The mean over matched anchors of their masks' binary cross-entropy (Bolya et al. 2019, arXiv:1904.02689).

    A mask is the anchor's coefficients times the prototypes. Of each, the cells that its object's box touches count,
    and their mean is taken. `objects` (N, B) are of `match_anchors`, `boxes` (N, G, 4) and `masks` (N, G, S, S) those
    of the objects; a cell is wanted by the share of its pixels that is the object's.
    """
    assert outputs.coefficients is not None
    assert outputs.prototypes is not None
    image, anchor = (objects >= 0).nonzero(as_tuple=True)
    own = objects[image, anchor]
    prototypes = outputs.prototypes.float()
    rows, columns = prototypes.shape[-2:]
    wanted = F.adaptive_avg_pool2d(masks.float(), (rows, columns))[image, own]
    logits = torch.einsum("pk,pkhw->phw", outputs.coefficients.float()[image, anchor], prototypes[image])
    inside = inside_boxes(boxes[image, own], rows, columns, touched=True)
    losses = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * inside
    means = losses.sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)
    return means.sum() / max(len(means), 1)


TASKS.add(INSTANCES, InstanceSegmentation())
