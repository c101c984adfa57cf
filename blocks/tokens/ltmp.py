"""Learned thresholds for merging and pruning (LTMP: Bonnaerens & Dambre 2023, arXiv:2307.10780).

Every block has a threshold for the cosine of matched tokens and one for their importance, which is the mean attention
they get. Tokens above the first merge, those not above the second go. While training, masks stand for tokens taken
out; otherwise they are taken out, and images of a batch are filled up to the longest.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from blockfront.blocks.tokens.attention import Attended
from blockfront.blocks.tokens.counted import MERGE, PRUNE
from blockfront.blocks.tokens.macs import TransformerMacs
from blockfront.blocks.tokens.matching import MatchingMacs, match, merge_masked, sources_of
from blockfront.blocks.tokens.reducer import METHODS, Method, Reducer, check_target
from blockfront.blocks.tokens.selection import gather, leading, ranks
from blockfront.blocks.tokens.state import Run, Tokens
from blockfront.errors import UsageError

# Steps between attention and MLP, and where the papers start the merge thresholds: at 1, thresholds that also prune
# would learn to do nothing but that.
VARIANTS = {
    "merge-prune": ((MERGE, PRUNE), 0.9),
    "prune-merge": ((PRUNE, MERGE), 1.0),
    "merge": ((MERGE,), 1.0),
    "prune": ((PRUNE,), None),
}
GRADIENTS = ("last", "product")


@dataclass(frozen=True)
class LTMP:
    """Options of `ltmp`.

    `target`: the share of the blocks' MACs to learn; `variant`: the steps and their order; `merge_threshold` and
    `prune_threshold`: where they start, None for the paper's values (infinities turn a step off); `temperature`: τ of
    the sigmoid whose slope stands for the step's; `budget_weight`: λ; `gradient`: "last" lets only the last decision on
    a token have one, as the paper's update of masks does, "product" multiplies all decisions, so that merge thresholds
    have one in every block.
    """

    target: float = 0.75
    variant: str = "merge-prune"
    merge_threshold: float | None = None
    prune_threshold: float | None = None
    temperature: float = 0.1
    budget_weight: float = 10.0
    gradient: str = "last"

    def __post_init__(self) -> None:
        check_target(self.target)
        for name, value, known in (("variant", self.variant, VARIANTS), ("gradient", self.gradient, GRADIENTS)):
            if value not in known:
                raise UsageError(f"unknown {name} {value!r} of ltmp; known: {', '.join(known)}")
        if not self.temperature > 0 or not self.budget_weight >= 0:
            raise UsageError("ltmp needs a temperature above 0 and a budget weight of at least 0")
        if any(value is not None and math.isnan(value) for value in (self.merge_threshold, self.prune_threshold)):
            raise UsageError("a threshold of ltmp is not a number")


def threshold_mask(values: Tensor, threshold: Tensor, temperature: float) -> Tensor:
    """1 where `values` exceed `threshold`, else 0; backwards the slope of sigmoid((values - threshold) / temperature).

    The straight-through estimate of the paper; an infinite threshold has no slope.
    """
    hard = (values > threshold).to(values.dtype)
    if not torch.is_grad_enabled():
        return hard
    soft = torch.sigmoid((values - threshold) / temperature)
    return hard + (soft - soft.detach())


@dataclass(frozen=True)
class _Marked:
    """Tokens with those merged away and pruned masked, their importance, and how many of each image merged."""

    tokens: Tokens
    importance: Tensor | None
    merged: Tensor


class LTMPReducer(Reducer):
    """Thresholds for every block, (blocks,) each, and the masks they make.

    `capacity`: fixed lengths (blocks,) of the sequences that blocks hand on, filled up or, where more tokens are left,
    cut down to the most important; None for lengths that follow the images.
    """

    def __init__(self, backbone: VisionTransformer, options: LTMP, capacity: tuple[int, ...] | None = None) -> None:
        super().__init__(backbone.num_prefix_tokens)
        self.options = options
        self.costs = TransformerMacs.of(backbone)
        self.work = MatchingMacs.of(backbone)
        self.capacity = capacity
        self.steps, merge_start = VARIANTS[options.variant]
        merge_start = merge_start if options.merge_threshold is None else options.merge_threshold
        blocks = len(backbone.blocks)
        if MERGE in self.steps:
            self.merge_thresholds = nn.Parameter(torch.full((blocks,), float(merge_start or 0.0)))
        if PRUNE in self.steps:
            self.prune_thresholds = nn.Parameter(torch.full((blocks,), float(options.prune_threshold or 0.0)))

    def needs_weights(self, index: int) -> bool:
        return PRUNE in self.steps or self.capacity is not None

    def between(self, index: int, tokens: Tokens, attended: Attended) -> Tokens:
        marked = self.mark(index, tokens, attended)
        mask = marked.tokens.active.detach()
        if self.capacity is not None:
            return self._fitted(marked, self.capacity[index])
        if self.training:
            return marked.tokens.at(leading(mask, marked.tokens.length))
        lengths = mask.float().sum(1)
        longest = int(lengths.max())
        left = marked.tokens.at(leading(mask, longest))
        return replace(left, mask=None) if int(lengths.min()) == longest else left

    def mark(self, index: int, tokens: Tokens, attended: Attended) -> _Marked:
        """Decide on every token of block `index`, and take none out."""
        importance = attended.importance if self.needs_weights(index) else None
        marked = _Marked(tokens, importance, tokens.x.new_zeros(tokens.x.shape[0]))
        keys = attended.keys
        for position, step in enumerate(self.steps):
            if step == PRUNE:
                marked = self._prune(index, marked)
                continue
            if position > 0:
                # Only tokens that are left alternate between sources and destinations.
                order = leading(marked.tokens.active.detach(), tokens.length)
                keys = gather(keys, order)
                ordered = None if marked.importance is None else gather(marked.importance, order)
                marked = replace(marked, tokens=marked.tokens.at(order), importance=ordered)
            marked = self._merge(index, marked, keys)
        return marked

    def _merge(self, index: int, marked: _Marked, keys: Tensor) -> _Marked:
        tokens = marked.tokens
        count = sources_of(tokens.length, self.prefix)
        if count == 0:
            return marked
        matches = match(keys, self.prefix, tokens.mask)
        sources = slice(self.prefix, self.prefix + count)
        mask = tokens.active[:, self.prefix + 1 :: 2]
        chosen = threshold_mask(matches.cosine, self.merge_thresholds[index], self.options.temperature).to(mask.dtype)
        merged = (chosen * mask).detach()
        tokens, importance = merge_masked(tokens, marked.importance, matches, merged, self.prefix)
        active = tokens.active
        left = self._decided(mask, 1 - chosen)
        active = torch.cat([active[:, : sources.start], left, active[:, sources.stop :]], dim=1)
        return _Marked(replace(tokens, mask=active), importance, merged.float().sum(1))

    def _prune(self, index: int, marked: _Marked) -> _Marked:
        assert marked.importance is not None
        active, importance = marked.tokens.active, marked.importance[:, self.prefix :]
        staying = threshold_mask(importance, self.prune_thresholds[index], self.options.temperature).to(active.dtype)
        if self.prefix == 0:
            # Without a class token the most important one stays, so that there is something to classify.
            staying = torch.where(ranks(importance * active.detach()) == 0, torch.ones_like(staying), staying)
        left = self._decided(active[:, self.prefix :], staying)
        return replace(marked, tokens=replace(marked.tokens, mask=torch.cat([active[:, : self.prefix], left], dim=1)))

    def _decided(self, mask: Tensor, decision: Tensor) -> Tensor:
        """The mask of tokens after a decision on those that were active."""
        return mask * decision if self.options.gradient == "product" else torch.where(mask > 0, decision, mask)

    def _fitted(self, marked: _Marked, length: int) -> Tokens:
        """`length` tokens: the active ones, the most important of them where they are too many, then idle ones."""
        tokens, importance = marked.tokens, marked.importance
        assert importance is not None
        active = tokens.active
        # Attention is at most 1: the prefix leads, idle tokens come last.
        rank = torch.cat([torch.full_like(active[:, : self.prefix], 2.0), importance[:, self.prefix :]], dim=1)
        chosen = (ranks(torch.where(active > 0, rank, -1.0)) < length).to(active.dtype)
        return tokens.at(leading(chosen * (1 + active), length))

    def counts(self, tokens: int) -> tuple[list[int], list[int]]:
        if self.capacity is None:
            return super().counts(tokens)
        return [tokens, *self.capacity[:-1]], list(self.capacity)

    def overhead(self, tokens: int) -> int:
        attended = self.counts(tokens)[0] if MERGE in self.steps else []
        return sum(self.work.total(length, self.prefix, sources_of(length, self.prefix)) for length in attended)

    def budget(self, run: Run) -> Tensor:
        """The share of the blocks' MACs at the mean number of tokens of the batch (the paper's r_FLOPs)."""
        attended, kept = run.counts()
        return torch.as_tensor(self.costs.share(attended.mean(1), kept.mean(1)))

    def loss(self, run: Run, labels: Tensor, criterion: Callable[[Any, Tensor], Tensor]) -> Tensor:
        """Criterion + λ (target - r)²."""
        excess = self.options.target - self.budget(run)
        return criterion(run.logits, labels) + self.options.budget_weight * excess**2


def learned_thresholds(reducer: LTMPReducer) -> dict[str, Tensor]:
    """The reducer's thresholds by step."""
    return {step: getattr(reducer, f"{step}_thresholds") for step in reducer.steps}


METHODS.add(
    "ltmp",
    Method(
        "ltmp",
        "learned thresholds for token merging and pruning (LTMP)",
        "Bonnaerens & Dambre 2023, arXiv:2307.10780",
        LTMP,
        LTMPReducer,
    ),
)
