"""Boxes as tensors: corners, centres, overlaps, and what a network says of a box relative to an anchor.

Everything is in shares of the picture's width and height, so nothing depends on its size in pixels, and overlaps are
what they would be in pixels: both directions scale areas alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

VARIANCES = (0.1, 0.1, 0.2, 0.2)
"""What encoded boxes are divided by (Liu et al. 2016, arXiv:1512.02325; their code's "variances")."""
LARGEST_CHANGE = abs(math.log(16 / 1000))
"""The most that the logarithm of a width or height may differ from its anchor's."""


class AnchorOutputs(NamedTuple):
    """What a detector gives in training and in tests, of B anchors that are the same for every image.

    `logits` are (N, B, C + 1) where the last one is that of the `background`, of which a softmax is meant; without one
    they are (N, B, C), and a sigmoid of each is meant. `deltas` (N, B, 4) are boxes as `encode` writes them, `anchors`
    (B, 4) centre x, centre y, width, height. With masks there are `coefficients` (N, B, K) of each anchor, from -1 to
    1, and `prototypes` (N, K, h, w) of the image, whose sum by them is above 0 where the anchor's object is.
    """

    logits: Tensor
    deltas: Tensor
    anchors: Tensor
    background: bool = True
    coefficients: Tensor | None = None
    prototypes: Tensor | None = None

    def probabilities(self) -> Tensor:
        """Of each class, (N, B, C)."""
        return self.logits.softmax(-1)[..., :-1] if self.background else self.logits.sigmoid()


def corners(boxes: Tensor) -> Tensor:
    """(..., 4) of centre x, centre y, width, height as left, top, right, bottom."""
    half = boxes[..., 2:] / 2
    return torch.cat([boxes[..., :2] - half, boxes[..., :2] + half], dim=-1)


def overlaps(first: Tensor, second: Tensor, *, of_second: bool = False) -> Tensor:
    """Intersection over union of corners (..., A, 4) and (..., B, 4), as (..., A, B); 0 where both are empty.

    With `of_second` it is the intersection over the second box alone.
    """
    low = torch.maximum(first[..., :, None, :2], second[..., None, :, :2])
    high = torch.minimum(first[..., :, None, 2:], second[..., None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    area = _area(second)[..., None, :]
    whole = area if of_second else _area(first)[..., :, None] + area - shared
    return shared / whole.clamp(min=1e-12)


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Corners (..., 4) relative to anchors (..., 4): shift over size, and logarithm of the ratio of sizes.

    Both are over `VARIANCES`. Boxes must not be empty.
    """
    size = boxes[..., 2:] - boxes[..., :2]
    centre = (boxes[..., 2:] + boxes[..., :2]) / 2
    shift = (centre - anchors[..., :2]) / anchors[..., 2:]
    return torch.cat([shift, (size / anchors[..., 2:]).log()], dim=-1) / boxes.new_tensor(VARIANCES)


def decode(deltas: Tensor, anchors: Tensor, variances: Sequence[float] = VARIANCES) -> Tensor:
    """The corners (..., 4) that `encode` was given, cut at the picture's border."""
    deltas = deltas * deltas.new_tensor(variances)
    size = deltas[..., 2:].clamp(-LARGEST_CHANGE, LARGEST_CHANGE).exp() * anchors[..., 2:]
    centre = deltas[..., :2] * anchors[..., 2:] + anchors[..., :2]
    return corners(torch.cat([centre, size], dim=-1)).clamp(0, 1)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)
