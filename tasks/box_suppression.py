"""Post-processing of a detector as modules that are compiled: decoding, and suppression as one operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from blockfront.tasks.boxes import VARIANCES, decode
from blockfront.tasks.suppression import BINS, Limits, suppress

_LIBRARY = torch.library.Library("blockfront_boxes", "DEF")
FIELDS = 6
"""Of a box that is given: class, score, left, top, right, bottom."""

_LIBRARY.define(
    "suppress_boxes(Tensor scores, Tensor boxes, float threshold, int candidates, float overlap, int kept, int bins) "
    "-> Tensor"
)


def _suppress_boxes(
    scores: Tensor, boxes: Tensor, threshold: float, candidates: int, overlap: float, kept: int, bins: int
) -> Tensor:
    """The boxes (1, kept, 6) that `suppress` gives of scores (1, B, C) and corners (1, B, 4), best first.

    Rows are filled up with class -1. It computes in float32, whatever type it is given and gives.
    """
    found = torch.zeros(1, kept, FIELDS, dtype=scores.dtype, device=scores.device)
    found[..., 0] = -1
    if scores.is_meta:
        return found
    values, places = (one[0].float().cpu().numpy() for one in (scores, boxes))
    rows, kinds = suppress(values, places, Limits(threshold, candidates, overlap, kept))
    given = torch.from_numpy(values[rows, kinds])[:, None], torch.from_numpy(places[rows])
    found[0, : len(rows)] = torch.cat([torch.from_numpy(kinds)[:, None].float(), *given], dim=1).to(found)
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
    """From scores (1, B, C) and boxes (1, B, 4) to `detections` (1, kept, 6): what is given of an image, best first."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits = limits

    def forward(self, scores: Tensor, boxes: Tensor) -> dict[str, Tensor]:
        of = self.limits
        found = torch.ops.blockfront_boxes.suppress_boxes(
            scores, boxes, of.threshold, of.candidates, of.overlap, of.kept, BINS
        )
        return {"detections": found}


EQUAL = {"detections": 0.0}
"""The tolerance of what suppression gives."""


def box_steps(detector: Any, limits: Limits | None = None) -> tuple[BoxDecoding, BoxSuppression]:
    """What follows a detector, which says how it is decoded, on the CPU."""
    return detector.decoding().cpu().eval(), BoxSuppression(limits or Limits()).eval()


def find_boxes(detector: Any, image: Tensor) -> Tensor:
    """Boxes (n, 6) that a detector finds on an image (1, 3, H, W) as it takes it, best first.

    Of each: class, score, and left, top, right, bottom as shares of the picture's width and height.
    """
    decoding, suppression = box_steps(detector)
    with torch.inference_mode():
        outputs = detector(image)
        found = suppression(**decoding(outputs.logits, outputs.deltas))["detections"][0]
    return found[found[:, 0] >= 0]
