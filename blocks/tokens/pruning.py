"""Pruning without anything learned: by the class token's attention, as EViT does, and at random."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from blockfront.blocks.tokens.attention import Attended
from blockfront.blocks.tokens.fusion import NO_FUSION, PruningReducer, settle_fusion
from blockfront.blocks.tokens.macs import TransformerMacs, solve_share
from blockfront.blocks.tokens.places import Places
from blockfront.blocks.tokens.reducer import METHODS, Method, check_count, check_one_of, check_target, in_tiles, tile_of
from blockfront.blocks.tokens.scored import ScoredOptions, ScoredReducer, make_scored
from blockfront.blocks.tokens.selection import divide, gather, places_of
from blockfront.blocks.tokens.state import Tokens
from blockfront.errors import UsageError


@dataclass(frozen=True)
class EViT:
    """Options of `evit`: `target`, or the share of the patches to `keep` after each quarter of the blocks.

    `fuse`: the patches taken out leave one token, their mean weighted by the attention they got. `fusion`: they come
    back whole (see `PruningReducer`), and leave none.
    """

    target: float | None = None
    keep: float | None = None
    fuse: bool = True
    fusion: str | None = None

    def __post_init__(self) -> None:
        settle_fusion("evit", self)
        if self.fusion is not None:
            object.__setattr__(self, "fuse", False)
        check_one_of("evit", target=self.target, keep=self.keep)
        check_target(self.target)
        if self.keep is not None and not 0 < self.keep <= 1:
            raise UsageError(f"keep of evit is a share of the patches, above 0, up to 1, not {self.keep!r}")


@dataclass(frozen=True)
class Random(ScoredOptions):
    """Options of `random`, those of `ScoredOptions` and a `seed`.

    While training each image loses others. Otherwise all images lose those at the same places, which `seed` decides.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("seed of random", self.seed)


class EViTReducer(PruningReducer):
    """Between attention and MLP of the blocks after each quarter, only the share `keep` of the patches stays.

    Lengths are multiples of `tile`; at the last place `last` patches stay, where it is given.
    """

    def __init__(
        self,
        backbone: VisionTransformer,
        keep: float,
        fuse: bool,
        fusion: str = NO_FUSION,
        tile: int = 1,
        last: int | None = None,
    ) -> None:
        super().__init__(backbone, fusion)
        self.tile, self.last = tile, last
        places = {self.blocks * quarter // 4 for quarter in (1, 2, 3)}
        self.places = sorted(place for place in places if place < self.reducible)
        self.has_class_token = backbone.has_class_token
        self.keep = keep
        self.fuses = fuse

    def needs_weights(self, index: int) -> bool:
        return index in self.places and self.keep < 1

    def between(self, index: int, tokens: Tokens, attended: Attended) -> Tokens:
        patches = tokens.length - self.prefix
        count = self._kept(index, patches)
        if not self.needs_weights(index) or count == patches:
            return tokens
        scores = attended.of_class_token if self.has_class_token else attended.importance
        scores = scores[:, self.prefix :]
        staying, going = divide(scores, count)
        left = self.parted(tokens, staying, going)
        if not self.fuses:
            return left
        weights = gather(scores, going)
        weights = weights / weights.sum(1, keepdim=True)
        gone = tokens.at(going + self.prefix)
        mean = (gone.x * weights.unsqueeze(-1)).sum(1, keepdim=True)
        source = None if gone.source is None else gone.source.sum(1, keepdim=True)
        fused = replace(left, places=None).followed_by([Tokens(mean, source=source)])
        return replace(fused, places=tokens.places and _fused(tokens.places, staying, self.prefix))

    def _kept(self, index: int, patches: int) -> int:
        """Patches that stay; the fused token is one more, so that fusing a single one would gain nothing."""
        count = min(math.ceil(self.keep * patches), patches)
        if self.last is not None and index == max(self.places, default=None):
            count = min(self.last, patches)
        elif self.tile > 1 and count < patches:
            others = self.prefix + int(self.fuses)
            count = max(in_tiles(count + others, self.prefix + patches, self.tile) - others, 1)
        return patches if self.fuses and patches - count <= 1 else count

    def left(self, index: int, length: int) -> int:
        patches = length - self.prefix
        count = self._kept(index, patches)
        if not self.needs_weights(index) or count == patches:
            return length
        return self.prefix + count + int(self.fuses)


class RandomReducer(ScoredReducer):
    """Between attention and MLP of block l, `removes[l]` patches go (one stays)."""

    def __init__(
        self, backbone: VisionTransformer, removes: tuple[int, ...], fusion: str = NO_FUSION, seed: int = 0
    ) -> None:
        super().__init__(backbone, removes, fusion)
        self.seed = seed

    def score(self, index: int, tokens: Tokens, attended: Attended) -> Tensor:
        batch, patches = tokens.x.shape[0], tokens.length - self.prefix
        if self.training:
            return torch.rand(batch, patches, device=tokens.x.device)
        scores = _drawn(self.seed * len(self.removes) + index, int(patches))
        return scores.to(tokens.x.device).expand(batch, -1)


def _fused(places: Places, staying: Tensor, prefix: int) -> Places:
    """Where the tokens are of which the patches `staying` are left, and all others in one token behind them."""
    patches = places.length - prefix
    among = places_of(staying, patches)
    count = staying.shape[1]
    to = torch.where(among < 0, count, among) + prefix
    leading = torch.arange(prefix, device=to.device).expand(to.shape[0], -1)
    return places.moved(torch.cat([leading, to], dim=1) if prefix else to, prefix + count + 1)


@cache
def _drawn(seed: int, patches: int) -> Tensor:
    """Scores (1, patches), drawn once: what exports a network while it runs can keep numbers, and no generator."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, patches, generator=generator, device="cpu")


def _make_evit(backbone: VisionTransformer, options: EViT) -> EViTReducer:
    fusion = options.fusion or NO_FUSION
    if options.keep is not None:
        return EViTReducer(backbone, options.keep, options.fuse, fusion)
    assert options.target is not None
    macs = TransformerMacs.of(backbone)

    tile = tile_of(macs.tokens)

    def reducer(pruned: float, last: int | None = None) -> EViTReducer:
        return EViTReducer(backbone, 1 - pruned, options.fuse, fusion, tile, last)

    def share(pruned: float, last: int | None = None) -> float:
        return macs.share(*reducer(pruned, last).counts(macs.tokens))

    pruned = solve_share(share, 0, 0.999, options.target, "evit")
    if tile == 1:
        return reducer(pruned)
    # The last place makes up for what tiles are off the target.
    target = options.target
    return reducer(pruned, min(range(1, macs.tokens), key=lambda last: abs(share(pruned, last) - target)))


def _make_random(backbone: VisionTransformer, options: Random) -> ScoredReducer:
    return make_scored(RandomReducer, backbone, options, seed=options.seed)


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
