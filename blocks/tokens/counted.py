"""Reduction by fixed numbers of tokens: every image merges and keeps as many, so shapes are known beforehand."""

from __future__ import annotations

from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from blockfront.blocks.tokens.attention import Attended
from blockfront.blocks.tokens.matching import MatchingMacs, match, merge_most_alike, sources_of
from blockfront.blocks.tokens.reducer import Reducer, with_prefix
from blockfront.blocks.tokens.selection import gather, top
from blockfront.blocks.tokens.state import Tokens

MERGE, PRUNE = "merge", "prune"


class CountedReducer(Reducer):
    """Block l merges the `merges[l]` pairs most alike, or leaves the `keeps[l]` most important tokens, or both.

    The `steps` follow each other between attention and MLP. A number beyond what a block has is as much as it has.
    `reorders`: also a block that merges nothing hands sources on before destinations, as thresholds do.
    """

    def __init__(
        self,
        backbone: VisionTransformer,
        merges: tuple[int, ...],
        keeps: tuple[int, ...] | None = None,
        steps: tuple[str, ...] = (MERGE,),
        proportional: bool = True,
        reorders: bool = False,
    ) -> None:
        super().__init__(backbone.num_prefix_tokens)
        self.work = MatchingMacs.of(backbone)
        self.merges = merges
        self.keeps = keeps
        self.steps = steps
        self.proportional = proportional
        self.reorders = reorders

    def needs_weights(self, index: int) -> bool:
        """Where a block prunes, which none does whose tokens are as few already."""
        if PRUNE not in self.steps or self.keeps is None:
            return False
        merging = index if self.steps[0] == MERGE else index - 1
        return index == 0 or self.keeps[index - 1] - (MERGE in self.steps) * self.merges[merging] > self.keeps[index]

    def between(self, index: int, tokens: Tokens, attended: Attended) -> Tokens:
        importance = attended.importance if self.needs_weights(index) else None
        keys = attended.keys
        for step in self.steps:
            if step == MERGE:
                tokens, importance = self._merged(index, tokens, importance, keys)
            elif importance is not None:
                tokens, importance, keys = self._pruned(index, tokens, importance, keys)
        return tokens

    def _merged(
        self, index: int, tokens: Tokens, importance: Tensor | None, keys: Tensor
    ) -> tuple[Tokens, Tensor | None]:
        count = self._leaving(index, MERGE, tokens.length)
        if count == 0 and not (self.reorders and sources_of(tokens.length, self.prefix)):
            return tokens, importance
        return merge_most_alike(tokens, importance, match(keys, self.prefix), count, self.prefix)

    def _pruned(self, index: int, tokens: Tokens, importance: Tensor, keys: Tensor) -> tuple[Tokens, Tensor, Tensor]:
        leaving = self._leaving(index, PRUNE, tokens.length)
        if leaving == 0:
            return tokens, importance, keys
        patches = importance[:, self.prefix :]
        staying = with_prefix(top(patches, patches.shape[1] - leaving), self.prefix)
        # Keys stand in the order of the tokens only before a merge, and nothing reads them after one.
        keys = gather(keys, staying) if self.steps[0] == PRUNE else keys
        return tokens.at(staying), gather(importance, staying), keys

    def counts(self, tokens: int) -> tuple[list[int], list[int]]:
        attended, kept = [], []
        for index in range(len(self.merges)):
            attended.append(tokens)
            for step in self.steps:
                tokens -= self._leaving(index, step, tokens)
            kept.append(tokens)
        return attended, kept

    def overhead(self, tokens: int) -> int:
        macs = 0
        for index in range(len(self.merges)):
            for step in self.steps:
                leaving = self._leaving(index, step, tokens)
                if step == MERGE and (leaving or self.reorders):
                    macs += self.work.total(tokens, self.prefix, leaving)
                tokens -= leaving
        return macs

    def _leaving(self, index: int, step: str, tokens: int) -> int:
        """How many of `tokens` a step of block `index` merges or prunes."""
        if step == MERGE:
            return min(self.merges[index], sources_of(tokens, self.prefix))
        assert self.keeps is not None
        return max(tokens - self.keeps[index], 0)
