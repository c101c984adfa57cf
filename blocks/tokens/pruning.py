"""Pruning without anything learned: by the class token's attention, as EViT does, and at random."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from blockfront.blocks.tokens.attention import Attended
from blockfront.blocks.tokens.macs import TransformerMacs, solve_share
from blockfront.blocks.tokens.reducer import (
    METHODS,
    Method,
    Reducer,
    check_count,
    check_one_of,
    check_target,
    evenly,
    with_prefix,
)
from blockfront.blocks.tokens.selection import divide, gather, top
from blockfront.blocks.tokens.state import Tokens
from blockfront.errors import UsageError


@dataclass(frozen=True)
class EViT:
    """Options of `evit`: `target`, or the share of the patches to `keep` after each quarter of the blocks.

    `fuse`: the patches taken out leave one token, their mean weighted by the attention they got.
    """

    target: float | None = None
    keep: float | None = None
    fuse: bool = True

    def __post_init__(self) -> None:
        check_one_of("evit", target=self.target, keep=self.keep)
        check_target(self.target)
        if self.keep is not None and not 0 < self.keep <= 1:
            raise UsageError(f"keep of evit is a share of the patches, above 0, up to 1, not {self.keep!r}")


@dataclass(frozen=True)
class Random:
    """Options of `random`: `target`, or `r` patches pruned in every block.

    While training each image loses others. Otherwise all images lose those at the same places, which `seed` decides.
    """

    target: float | None = None
    r: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_one_of("random", target=self.target, r=self.r)
        check_target(self.target)
        check_count("seed of random", self.seed)
        if self.r is not None:
            check_count("r of random", self.r)


class EViTReducer(Reducer):
    """Between attention and MLP of the blocks after each quarter, only the share `keep` of the patches stays."""

    def __init__(self, backbone: VisionTransformer, keep: float, fuse: bool) -> None:
        super().__init__(backbone.num_prefix_tokens)
        self.blocks = len(backbone.blocks)
        self.places = sorted({self.blocks * quarter // 4 for quarter in (1, 2, 3)})
        self.has_class_token = backbone.has_class_token
        self.keep = keep
        self.fuses = fuse

    def needs_weights(self, index: int) -> bool:
        return index in self.places and self.keep < 1

    def between(self, index: int, tokens: Tokens, attended: Attended) -> Tokens:
        patches = tokens.length - self.prefix
        count = self._kept(patches)
        if not self.needs_weights(index) or count == patches:
            return tokens
        scores = attended.of_class_token if self.has_class_token else attended.importance
        scores = scores[:, self.prefix :]
        staying, going = divide(scores, count)
        left = tokens.at(with_prefix(staying, self.prefix))
        if not self.fuses:
            return left
        weights = gather(scores, going)
        weights = weights / weights.sum(1, keepdim=True)
        gone = tokens.at(going + self.prefix)
        mean = (gone.x * weights.unsqueeze(-1)).sum(1, keepdim=True)
        source = None if gone.source is None else gone.source.sum(1, keepdim=True)
        return left.followed_by([Tokens(mean, source=source)])

    def _kept(self, patches: int) -> int:
        """Patches that stay; the fused token is one more, so that fusing a single one would gain nothing."""
        count = min(math.ceil(self.keep * patches), patches)
        return patches if self.fuses and patches - count <= 1 else count

    def counts(self, tokens: int) -> tuple[list[int], list[int]]:
        attended, kept = [], []
        for index in range(self.blocks):
            attended.append(tokens)
            patches = tokens - self.prefix
            count = self._kept(patches)
            if self.needs_weights(index) and count < patches:
                tokens = self.prefix + count + int(self.fuses)
            kept.append(tokens)
        return attended, kept


class RandomReducer(Reducer):
    """Between attention and MLP of block l, `removes[l]` patches go (one stays)."""

    def __init__(self, prefix: int, removes: tuple[int, ...], seed: int) -> None:
        super().__init__(prefix)
        self.removes = removes
        self.seed = seed

    def between(self, index: int, tokens: Tokens, attended: Attended) -> Tokens:
        left = self._left(index, tokens.length)
        if left == tokens.length:
            return tokens
        scores = self._scores(index, tokens)
        return tokens.at(with_prefix(top(scores, left - self.prefix), self.prefix))

    def _scores(self, index: int, tokens: Tokens) -> Tensor:
        batch, patches = tokens.x.shape[0], tokens.length - self.prefix
        if self.training:
            return torch.rand(batch, patches, device=tokens.x.device)
        scores = _drawn(self.seed * len(self.removes) + index, int(patches))
        return scores.to(tokens.x.device).expand(batch, -1)

    def _left(self, index: int, length: int) -> int:
        return max(length - self.removes[index], min(self.prefix + 1, length))

    def counts(self, tokens: int) -> tuple[list[int], list[int]]:
        attended, kept = [], []
        for index in range(len(self.removes)):
            attended.append(tokens)
            tokens = self._left(index, tokens)
            kept.append(tokens)
        return attended, kept


@cache
def _drawn(seed: int, patches: int) -> Tensor:
    """Scores (1, patches), drawn once: what exports a network while it runs can keep numbers, and no generator."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, patches, generator=generator, device="cpu")


def _make_evit(backbone: VisionTransformer, options: EViT) -> EViTReducer:
    if options.keep is not None:
        return EViTReducer(backbone, options.keep, options.fuse)
    assert options.target is not None
    macs = TransformerMacs.of(backbone)

    def share(pruned: float) -> float:
        return macs.share(*EViTReducer(backbone, 1 - pruned, options.fuse).counts(macs.tokens))

    return EViTReducer(backbone, 1 - solve_share(share, 0, 0.999, options.target, "evit"), options.fuse)


def _make_random(backbone: VisionTransformer, options: Random) -> RandomReducer:
    blocks, prefix = len(backbone.blocks), backbone.num_prefix_tokens
    if options.r is not None:
        return RandomReducer(prefix, (options.r,) * blocks, options.seed)
    assert options.target is not None
    macs = TransformerMacs.of(backbone)

    def share(rate: float) -> float:
        return macs.share(*RandomReducer(prefix, tuple(evenly(rate, blocks)), 0).counts(macs.tokens))

    removes = evenly(solve_share(share, 0, macs.tokens, options.target, "random"), blocks)
    return RandomReducer(prefix, tuple(removes), options.seed)


METHODS.add(
    "evit",
    Method(
        "evit",
        "pruning by the class token's attention (EViT)",
        "Liang et al. 2022, arXiv:2202.07800",
        EViT,
        _make_evit,
    ),
)
METHODS.add("random", Method("random", "random pruning", "", Random, _make_random))
