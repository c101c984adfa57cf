"""Masks of objects as numbers of their rows: many pixels in each, which float32 has exactly."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

PIXELS = 24
"""In one number, the first pixel in its lowest bit."""
SMALLEST_SIDE = 12
"""Of a mask, so that its side follows from how many numbers it takes."""


def pack_masks(masks: Tensor) -> Tensor:
    """Masks (..., S, S) of true and false as float32 (..., numbers)."""
    flat = masks.flatten(-2).double()
    filled = F.pad(flat, (0, -flat.shape[-1] % PIXELS)).unflatten(-1, (-1, PIXELS))
    return (filled @ _BITS.double()).float()


def unpack_masks(packed: Tensor) -> Tensor:
    """The masks (..., S, S) that `pack_masks` was given."""
    bits = packed.long().unsqueeze(-1).bitwise_and(_BITS.to(packed.device)) > 0
    side = math.isqrt(PIXELS * packed.shape[-1])
    return bits.flatten(-2)[..., : side**2].unflatten(-1, (side, side))


def inside_boxes(boxes: Tensor, rows: int, columns: int, touched: bool = False) -> Tensor:
    """Which of so many cells have their centre in a box (n, 4), corners as shares: (n, rows, columns), true or false.

    With `touched` those of which any part is in it.
    """
    reach = 0.5 if touched else 0.0
    across, down = (torch.arange(length, device=boxes.device) + 0.5 for length in (columns, rows))
    left, top, right, bottom = (boxes * boxes.new_tensor([columns, rows, columns, rows])).unsqueeze(-1).unbind(1)
    wide = (across + reach > left) & (across - reach < right)
    high = (down + reach > top) & (down - reach < bottom)
    return high.unsqueeze(2) & wide.unsqueeze(1)


_BITS = 2 ** torch.arange(PIXELS)
