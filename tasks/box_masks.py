"""From a network's coefficients and prototypes to the masks of boxes, as they are scored and as they are compiled."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blockfront.signature import Input, Signature
from blockfront.tasks.boxes import AnchorOutputs
from blockfront.tasks.packed_masks import inside_boxes


class BoxMasks(nn.Module):
    """What masks of given boxes are cut from: coefficients (1, B, K), prototypes (1, K, h, w) and detections
    (1, kept, 7) with the anchor of each in their last column to `masks` (1, kept, h, w).

    A cell is the object's where it is above 0, inside its box.
    """

    @staticmethod
    def signature(coefficients: Tensor, prototypes: Tensor, detections: Tensor) -> Signature:
        """What it takes, with these as they occur: anchors are whole numbers."""
        parts = {"coefficients": coefficients, "prototypes": prototypes, "detections": detections}
        inputs = tuple(Input(name, tuple(one.shape)) for name, one in parts.items())
        return Signature(inputs, recorded=(tuple(parts.values()),))

    def forward(self, coefficients: Tensor, prototypes: Tensor, detections: Tensor) -> dict[str, Tensor]:
        own = coefficients[0].index_select(0, detections[0, :, -1].long())
        _, depth, rows, columns = prototypes.shape
        return {"masks": (own @ prototypes.reshape(depth, rows * columns)).reshape(1, len(own), rows, columns)}


def instance_masks(outputs: AnchorOutputs, image: int, anchors: Tensor, boxes: Tensor, side: int) -> Tensor:
    """The masks (n, side, side) of some anchors of an image, true and false: enlarged, and cut at their `boxes` (n, 4).

    A pixel is the object's where its coefficients times the prototypes there are above 0.
    """
    assert outputs.coefficients is not None
    assert outputs.prototypes is not None
    coefficients, prototypes = outputs.coefficients[image].float().cpu(), outputs.prototypes[image].float().cpu()
    logits = torch.einsum("pk,khw->phw", coefficients[anchors], prototypes)
    if not len(logits):
        return torch.zeros(0, side, side, dtype=torch.bool)
    large = F.interpolate(logits[:, None], size=(side, side), mode="bilinear", align_corners=False)[:, 0]
    return (large > 0) & inside_boxes(boxes, side, side)
