"""Choosing tokens without sorting: every rank is a count of comparisons, so the graph has no data-dependent shape.

Ties go to the lower position, in torch as in compiled code, where a sort leaves them open.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# A comparison with tokens that come last changes nothing, and sums of whole vectors are several times faster.
_VECTOR = 16


def ranks(scores: Tensor) -> Tensor:
    """(B, n) scores to each token's place in descending order, as float32; equal scores by position."""
    return _before(_filled(scores), scores.float()).float().sum(-1)


def leading(scores: Tensor, count: int) -> Tensor:
    """(B, n) scores to the positions (B, count) of the first tokens in descending order, equal scores by position."""
    return _positions(ranks(scores), count)


def top(scores: Tensor, count: int) -> Tensor:
    """(B, n) scores to the positions (B, count) of the `count` highest, in ascending order of position."""
    chosen, before = _chosen(scores, count)
    return _positions((before + 1) * chosen - 1, count, scores.shape[1])


def divide(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """`top`, and the positions (B, n - count) of all others, in ascending order too."""
    chosen, before = _chosen(scores, count)
    others = _arange(chosen.shape[1], scores) - before
    places = ((before + 1) * chosen - 1, (others + 1) * (1 - chosen) - 1)
    length = scores.shape[1]
    return _positions(places[0], count, length), _positions(places[1], length - count, length)


def places_of(positions: Tensor, length: int) -> Tensor:
    """(B, k) positions, each once, to where each of `length` tokens stands among them (B, length), -1 for nowhere."""
    there = positions.float()[:, None, :] == _arange(length, positions)[:, None]
    return ((there.float() * (_arange(positions.shape[1], positions) + 1)).sum(-1) - 1).long()


def gather(values: Tensor, positions: Tensor) -> Tensor:
    """(B, n) or (B, n, D) values at positions (B, k)."""
    if values.dim() == 2:
        return values.gather(1, positions)
    return values.gather(1, positions.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


def _filled(scores: Tensor) -> Tensor:
    """Scores (B, n) up to whole vectors of any processor, with what comes last."""
    return F.pad(scores.float(), (0, -scores.shape[1] % _VECTOR), value=-torch.inf)


def _arange(count: int, like: Tensor) -> Tensor:
    return torch.arange(count, device=like.device, dtype=torch.float32)


def _earlier(own: int, others: int, like: Tensor) -> Tensor:
    """(own, others): whether a position (last) is less than another."""
    return _arange(others, like) < _arange(own, like)[:, None]


def _before(others: Tensor, own: Tensor) -> Tensor:
    """(B, m) and its first n, (B, n), to (B, n, m): whether token j (last) comes before i in descending order."""
    earlier = _earlier(own.shape[1], others.shape[1], own)
    other, own = others[:, None, :], own[:, :, None]
    return (other > own) | ((other == own) & earlier)


def _chosen(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """For tokens filled up to whole vectors, (B, m) each: 1 for the `count` highest scores, and how many of those stand
    before a token."""
    filled = _filled(scores)
    chosen = _before(filled, filled).float().sum(-1) < count
    before = _earlier(filled.shape[1], filled.shape[1], filled) & chosen[:, None, :]
    return chosen.float(), before.float().sum(-1)


def _positions(places: Tensor, count: int, length: int | None = None) -> Tensor:
    """(B, m) places that tokens take to the positions (B, count) of the tokens that take the first `count` places."""
    if count == 0:
        return places[:, :0].long()
    chosen = places[:, None, :] == _arange(count, places)[:, None]
    # Clamped, so that scores that are not numbers never lead outside the tensor.
    last = (places.shape[1] if length is None else length) - 1
    return (chosen.float() * _arange(places.shape[1], places)).sum(-1).clamp(max=last).long()
