"""Taking tokens out whole, and bringing them back for networks whose outputs have places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from blockfront.blocks.tokens.reducer import Reducer, with_prefix
from blockfront.blocks.tokens.state import Tokens
from blockfront.errors import UsageError

NO_FUSION, CONCAT, LAST = "none", "concat", "last"
FUSIONS = (NO_FUSION, CONCAT, LAST)


class PruningReducer(Reducer):
    """Tokens that go wait aside as they are, and come back behind those that stay, as `fusion` says.

    "last": before the last block, from which nothing is taken (Last Layer Fusion: Bergner et al. 2025, CVPR, p. 9740);
    "concat": after it; "none": never.
    """

    def __init__(self, backbone: VisionTransformer, fusion: str) -> None:
        super().__init__(backbone.num_prefix_tokens)
        self.blocks = len(backbone.blocks)
        self.fusion = fusion

    @property
    def reducible(self) -> int:
        """How many blocks, from the first on, tokens may be taken out in."""
        return self.blocks - (self.fusion == LAST)

    def after(self, index: int, tokens: Tokens) -> Tokens:
        if tokens.aside and index == self.blocks - 1 - (self.fusion == LAST):
            return replace(tokens.followed_by(tokens.aside), aside=())
        return tokens

    def parted(self, tokens: Tokens, staying: Tensor, going: Tensor) -> Tokens:
        """The prefix and the patches `staying` (B, k), those `going` aside if they come back; numbers of patches."""
        left = tokens.at(with_prefix(staying, self.prefix))
        if self.fusion == NO_FUSION:
            return left
        return replace(left, aside=(*tokens.aside, tokens.at(going + self.prefix)))

    def counts(self, tokens: int) -> tuple[list[int], list[int]]:
        attended, kept, everything = [], [], tokens
        for index in range(self.blocks):
            if self.fusion == LAST and index == self.blocks - 1:
                tokens = everything
            attended.append(tokens)
            tokens = self.left(index, tokens)
            kept.append(tokens)
        return attended, kept

    def left(self, index: int, length: int) -> int:
        """How many of `length` tokens block `index` leaves."""
        raise NotImplementedError


def check_fusion(method: str, fusion: object, known: Sequence[object] = FUSIONS) -> None:
    """Raises `UsageError` unless `fusion` is one of those known."""
    if fusion not in known:
        raise UsageError(f"fusion of {method} is one of {', '.join(map(str, FUSIONS))}, not {fusion!r}")


def settle_fusion(method: str, options: Any) -> None:
    """`fusion` of frozen options as it is kept: "none" is None, so that a network without has its old name.

    Raises `UsageError` for what is no fusion.
    """
    if options.fusion == NO_FUSION:
        object.__setattr__(options, "fusion", None)
    check_fusion(method, options.fusion, (None, *FUSIONS))
