"""Choosing tokens without sorting: every rank is a count of comparisons, so the graph has no data-dependent shape.

Ties go to the lower position, in torch as in compiled code, where a sort leaves them open.
"""

from __future__ import annotations

import torch
from torch import Tensor


def ranks(scores: Tensor) -> Tensor:
    """(B, n) scores to each token's place in descending order, as float32; equal scores by position."""
    return _before(scores.float()).float().sum(-1)


def leading(scores: Tensor, count: int) -> Tensor:
    """(B, n) scores to the positions (B, count) of the first tokens in descending order, equal scores by position."""
    if count == 0:
        return scores[:, :0].long()
    place = torch.arange(count, device=scores.device, dtype=torch.float32)
    position = torch.arange(scores.shape[1], device=scores.device, dtype=torch.float32)
    chosen = ranks(scores)[:, None, :] == place[:, None]
    # Clamped, so that scores that are not numbers never lead outside the tensor.
    return (chosen.float() * position).sum(-1).clamp(max=scores.shape[1] - 1).long()


def top(scores: Tensor, count: int) -> Tensor:
    """(B, n) scores to the positions (B, count) of the `count` highest, in ascending order of position."""
    return leading((ranks(scores) < count).float(), count)


def divide(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """`top`, and the positions (B, n - count) of all others, in ascending order too."""
    chosen = (ranks(scores) < count).float()
    return leading(chosen, count), leading(1 - chosen, scores.shape[1] - count)


def gather(values: Tensor, positions: Tensor) -> Tensor:
    """(B, n) or (B, n, D) values at positions (B, k)."""
    if values.dim() == 2:
        return values.gather(1, positions)
    return values.gather(1, positions.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


def _before(scores: Tensor) -> Tensor:
    """(B, n) to (B, n, n): whether token j (last) comes before token i in descending order."""
    position = torch.arange(scores.shape[1], device=scores.device)
    earlier = position[None, :] < position[:, None]
    other, own = scores[:, None, :], scores[:, :, None]
    return torch.where(earlier, other >= own, other > own)
