"""Pruning by a score: a method is a function that gives each patch one, and the rest follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from blockfront.blocks.tokens.attention import Attended
from blockfront.blocks.tokens.fusion import LAST, NO_FUSION, PruningReducer, settle_fusion
from blockfront.blocks.tokens.macs import TransformerMacs, solve_share
from blockfront.blocks.tokens.reducer import check_count, check_one_of, check_target, evenly, with_prefix
from blockfront.blocks.tokens.selection import divide, top
from blockfront.blocks.tokens.state import Tokens


class ScoredReducer(PruningReducer):
    """Between attention and MLP of block l, the `removes[l]` patches with the lowest scores go (one stays).

    A method overrides `score`, and `needs_weights` where that reads the attention's weights.
    """

    def __init__(self, backbone: VisionTransformer, removes: tuple[int, ...], fusion: str = NO_FUSION) -> None:
        super().__init__(backbone, fusion)
        self.removes = removes

    def score(self, index: int, tokens: Tokens, attended: Attended) -> Tensor:
        """Scores (B, patches) of what follows the prefix in `tokens`, the sequence (B, prefix + patches, D)."""
        raise NotImplementedError

    def between(self, index: int, tokens: Tokens, attended: Attended) -> Tokens:
        left = self.left(index, tokens.length)
        if left == tokens.length:
            return tokens
        scores = self.score(index, tokens, attended)
        if self.fusion == NO_FUSION:
            return tokens.at(with_prefix(top(scores, left - self.prefix), self.prefix))
        return self.parted(tokens, *divide(scores, left - self.prefix))

    def left(self, index: int, length: int) -> int:
        if index >= self.reducible:
            return length
        return max(length - self.removes[index], min(self.prefix + 1, length))


@dataclass(frozen=True)
class ScoredOptions:
    """Options of every method that scores: `target`, or `r` patches pruned in every block.

    `fusion`: they come back (see `PruningReducer`).
    """

    target: float | None = None
    r: int | None = None
    fusion: str | None = None

    def __post_init__(self) -> None:
        method = type(self).__name__.lower()
        settle_fusion(method, self)
        check_one_of(method, target=self.target, r=self.r)
        check_target(self.target)
        if self.r is not None:
            check_count(f"r of {method}", self.r)


def make_scored(
    cls: type[ScoredReducer], backbone: VisionTransformer, options: ScoredOptions, **own: Any
) -> ScoredReducer:
    """A reducer of this class with what `own` is to it, and as many tokens out of every block as the options want."""
    fusion = options.fusion or NO_FUSION
    blocks = len(backbone.blocks) - (fusion == LAST)
    if options.r is not None:
        return cls(backbone, (options.r,) * blocks, fusion, **own)
    assert options.target is not None
    macs = TransformerMacs.of(backbone)

    def share(rate: float) -> float:
        return macs.share(
            *ScoredReducer(backbone, tuple(evenly(rate, blocks, macs.tokens)), fusion).counts(macs.tokens)
        )

    rate = solve_share(share, 0, macs.tokens, options.target, type(options).__name__.lower())
    removes = evenly(rate, blocks, macs.tokens)
    return cls(backbone, tuple(removes), fusion, **own)
