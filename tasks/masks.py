"""Masks: a class for each pixel, at another size than they have."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED = 255
"""What a mask has where a pixel is of no class: it is neither learned nor scored."""


def nearest_class(masks: Tensor, resolution: int) -> Tensor:
    """Masks (..., H, W) as (..., resolution, resolution): of each pixel the class in which its centre lies."""
    for axis in (-2, -1):
        length = masks.shape[axis]
        if length != resolution:
            places = (torch.arange(resolution) * 2 + 1) * length // (2 * resolution)
            masks = masks.index_select(axis, places)
    return masks


def enlarged(logits: Tensor, masks: Tensor) -> Tensor:
    """Logits (N, C, h, w) at the size of masks (N, H, W), bilinearly, with pixels' centres as places."""
    size = masks.shape[-2:]
    if logits.shape[-2:] == size:
        return logits
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
