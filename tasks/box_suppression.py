"""Post-processing of a detector as modules that are compiled: decoding, and suppression as one operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from blockfront.signature import Input, Signature
from blockfront.tasks.box_masks import BoxMasks, instance_masks
from blockfront.tasks.boxes import VARIANCES, AnchorOutputs, decode
from blockfront.tasks.suppression import BINS, Limits, suppress

_LIBRARY = torch.library.Library("blockfront_boxes", "DEF")
FIELDS = 6
"""Of a box that is given: class, score, left, top, right, bottom."""

_LIBRARY.define(
    "suppress_boxes(Tensor scores, Tensor boxes, float threshold, int candidates, float overlap, int kept, int bins, "
    "bool anchors) -> Tensor"
)


def _suppress_boxes(
    scores: Tensor,
    boxes: Tensor,
    threshold: float,
    candidates: int,
    overlap: float,
    kept: int,
    bins: int,
    anchors: bool,
) -> Tensor:
    """The boxes (1, kept, 6) that `suppress` gives of scores (1, B, C) and corners (1, B, 4), best first.

    With `anchors` a seventh number is the anchor of each. Rows are filled up with class -1. It computes in float32,
    whatever type it is given and gives.
    """
    found = torch.zeros(1, kept, FIELDS + anchors, dtype=scores.dtype, device=scores.device)
    found[..., 0] = -1
    if scores.is_meta:
        return found
    values, places = (one[0].float().cpu().numpy() for one in (scores, boxes))
    rows, kinds = suppress(values, places, Limits(threshold, candidates, overlap, kept))
    given = [kinds[:, None], values[rows, kinds][:, None], places[rows], *([rows[:, None]] if anchors else [])]
    found[0, : len(rows)] = torch.cat([torch.from_numpy(one).float() for one in given], dim=1).to(found)
    return found


_LIBRARY.impl("suppress_boxes", _suppress_boxes, "CompositeExplicitAutograd")


class BoxDecoding(nn.Module):
    """From a detector's logits (N, B, C') and deltas (N, B, 4) to `scores` (N, B, C) of each class and `boxes`
    (N, B, 4), corners as shares of the picture.

    One class more may be the `background`, the last one or the `first`.
    """

    anchors: Tensor

    def __init__(
        self, anchors: Tensor, background: bool, variances: Sequence[float] = VARIANCES, first: bool = False
    ) -> None:
        super().__init__()
        self.background, self.first, self.variances = background, first, variances
        self.register_buffer("anchors", anchors)

    def forward(self, logits: Tensor, deltas: Tensor) -> dict[str, Tensor]:
        if self.background:
            scores = logits.softmax(-1)
            scores = scores[..., 1:] if self.first else scores[..., :-1]
        else:
            scores = logits.sigmoid()
        return {"scores": scores, "boxes": decode(deltas, self.anchors, self.variances)}


class BoxSuppression(nn.Module):
    """From scores (1, B, C) and boxes (1, B, 4) to `detections` (1, kept, 6): what is given of an image, best first.

    With `anchors` they are (1, kept, 7), each with its anchor behind.
    """

    def __init__(self, limits: Limits, anchors: bool = False) -> None:
        super().__init__()
        self.limits, self.anchors = limits, anchors

    def forward(self, scores: Tensor, boxes: Tensor) -> dict[str, Tensor]:
        of = self.limits
        found = torch.ops.blockfront_boxes.suppress_boxes(
            scores, boxes, of.threshold, of.candidates, of.overlap, of.kept, BINS, self.anchors
        )
        return {"detections": found}


EQUAL = {"detections": 0.0}
"""The tolerance of what suppression gives."""


class BoxSteps(NamedTuple):
    """What follows a detector: modules one after the other, the last one where it finds masks."""

    decoding: BoxDecoding
    suppression: BoxSuppression
    masks: BoxMasks | None

    def signed(self, scores: Tensor, boxes: Tensor, parts: Sequence[Tensor]) -> dict[str, tuple[nn.Module, Signature]]:
        """By name each with what it takes: what suppression makes of these decoded scores and boxes is recorded.

        `parts` are the coefficients and prototypes that masks are made of.
        """
        rows, classes = scores.shape[1:]
        coded = Input("logits", (1, rows, classes + self.decoding.background)), Input("deltas", tuple(boxes.shape))
        decoded = Input("scores", tuple(scores.shape)), Input("boxes", tuple(boxes.shape))
        signed: dict[str, tuple[nn.Module, Signature]] = {
            "decode": (self.decoding, Signature(coded)),
            "suppress": (self.suppression, Signature(decoded, EQUAL, ((scores, boxes),))),
        }
        if self.masks is not None:
            coefficients, prototypes = parts
            detections = self.suppression(scores, boxes)["detections"]
            signed["masks"] = self.masks, self.masks.signature(coefficients, prototypes, detections)
        return signed


def box_steps(detector: Any, limits: Limits | None = None) -> BoxSteps:
    """Of a detector, which says how it is decoded and whether it `finds_masks`, on the CPU."""
    masks = detector.finds_masks
    suppression = BoxSuppression(limits or Limits(), masks).eval()
    return BoxSteps(detector.decoding().cpu().eval(), suppression, BoxMasks().eval() if masks else None)


def find_boxes(detector: Any, image: Tensor) -> Tensor:
    """Boxes (n, 6) that a detector finds on an image (1, 3, H, W) as it takes it, best first.

    Of each: class, score, and left, top, right, bottom as shares of the picture's width and height.
    """
    return _found(detector, image)[1][:, :FIELDS]


def find_objects(detector: Any, image: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes as of `find_boxes`, and their masks (n, H, W), true and false, of a detector that finds masks."""
    outputs, found = _found(detector, image)
    anchors, boxes = found[:, FIELDS].long(), found[:, 2:FIELDS]
    return found[:, :FIELDS], instance_masks(outputs, 0, anchors, boxes, image.shape[-1])


def _found(detector: Any, image: Tensor) -> tuple[AnchorOutputs, Tensor]:
    decoding, suppression, _ = box_steps(detector)
    with torch.inference_mode():
        outputs = detector(image)
        found = suppression(**decoding(outputs.logits, outputs.deltas))["detections"][0]
    return outputs, found[found[:, 0] >= 0]
