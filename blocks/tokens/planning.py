"""From thresholds, which leave every image another number of tokens, to graphs of fixed shapes for compilers.

Counts: each block merges and keeps as many tokens of every image as it does of a calibration image on average. For an
image whose own numbers those are, the static network computes what the dynamic one does. Capacity: thresholds still
decide, on sequences of fixed length, so that images differ in their tokens and not in what they cost.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from blockfront.blocks.tokens.counted import MERGE, PRUNE, CountedReducer
from blockfront.blocks.tokens.ltmp import LTMPReducer, learned_thresholds
from blockfront.blocks.tokens.macs import solve_share
from blockfront.blocks.tokens.matching import sources_of
from blockfront.blocks.tokens.reducer import in_tiles, tile_of
from blockfront.blocks.tokens.state import Tokens
from blockfront.blocks.tokens.transformer import ReducedTransformer, evaluating
from blockfront.errors import UsageError
from blockfront.plurals import counted


@dataclass(frozen=True)
class Plan:
    """Fixed numbers of tokens for each block, and where they come from.

    `lengths`: tokens that block l hands on; `merges`: how many it merges, None where thresholds decide within the
    lengths. `thresholds`: those of each step, None in place of an infinite one; `macs`: mean of the dynamic network's
    over `images` calibration images, `data` the SHA-256 of these. Without images the counts are assumed, `macs`
    theirs, and there are no thresholds.
    """

    lengths: tuple[int, ...]
    merges: tuple[int, ...] | None
    thresholds: dict[str, tuple[float | None, ...]]
    macs: float
    images: int
    data: str

    @property
    def is_assumed(self) -> bool:
        """Whether no image was seen."""
        return self.images == 0

    @property
    def origin(self) -> str:
        """Where the counts come from, in words."""
        return "assumed" if self.is_assumed else f"calibrated on {counted(self.images, 'image')}"


def make_static(model: ReducedTransformer, plan: Plan) -> ReducedTransformer:
    """`model` reduced as `plan` says: it shares the backbone and the thresholds, and every shape in it is fixed.

    Raises `UsageError` for a model without learned thresholds and a plan for another number of blocks or tokens.
    """
    reducer = _dynamic(model)
    if len(plan.lengths) != len(model.backbone.blocks):
        raise UsageError(
            f"the plan is for {counted(len(plan.lengths), 'block')}, the model has {len(model.backbone.blocks)}"
        )
    before = (model.macs.tokens, *plan.lengths)
    if any(left > length for length, left in pairwise(before)) or before[-1] < max(reducer.prefix, 1):
        lengths = f"{before[0]} at first, never more than before, {max(reducer.prefix, 1)} or more at the end"
        raise UsageError(f"the plan does not fit the model, whose lengths are {lengths}")
    if plan.merges is None:
        bounded = LTMPReducer(model.backbone, reducer.options, capacity=plan.lengths)
        for step, thresholds in learned_thresholds(reducer).items():
            setattr(bounded, f"{step}_thresholds", thresholds)
        return model.with_reducer(bounded, plan)
    return model.with_reducer(_counted(model.backbone, reducer, plan.lengths, plan.merges), plan)


def make_dynamic(model: ReducedTransformer) -> ReducedTransformer:
    """The network of learned thresholds that the plan of a static `model` was calibrated on.

    Raises `UsageError` for a model without such a plan.
    """
    plan = model.plan
    if plan is None or plan.is_assumed:
        raise UsageError(f"{model.method} has no plan that was calibrated on thresholds")
    reducer = LTMPReducer(model.backbone, model.options).to(next(model.backbone.parameters()).device)
    with torch.no_grad():
        for step, thresholds in learned_thresholds(reducer).items():
            off = math.inf if step == MERGE else -math.inf
            values = [off if value is None else value for value in plan.thresholds[step]]
            thresholds.copy_(torch.tensor(values))
    return model.with_reducer(reducer)


def calibrate(model: ReducedTransformer, batches: Iterable[Tensor], multiple: int | None = None) -> Plan:
    """Counts that cost what the dynamic network costs on average, from batches (B, 3, H, W) of images.

    Block after block: the images go through the blocks before with the counts already fixed, since those change the
    scores of later blocks. All counts are then scaled together until their MACs are the dynamic mean. `multiple`: what
    every length is a multiple of, `tile_of` by default. Holds the tokens of all images at once. Raises `UsageError` for
    a model without learned thresholds and for no images.
    """
    reducer = _dynamic(model)
    multiple = tile_of(model.macs.tokens) if multiple is None else multiple
    if multiple < 1:
        raise UsageError(f"multiple must be at least 1, not {multiple}")
    with evaluating(model), torch.no_grad():
        seen = _Seen.through(model, batches)
        lengths, merges = _sequential(model, reducer, seen.embedded)
    target = model.macs.share_of(seen.macs)
    scaled = _Scaled(model, reducer, lengths, merges, multiple)
    return seen.plan(reducer, *scaled.to(target))


def calibrate_capacity(
    model: ReducedTransformer, batches: Iterable[Tensor], quantile: float = 1.0, multiple: int = 1
) -> Plan:
    """Lengths that hold the tokens of the share `quantile` of the images at every block; others lose some.

    `batches` are of images (B, 3, H, W); lengths are rounded up to a `multiple`.
    Raises `UsageError` as `calibrate` does.
    """
    reducer = _dynamic(model)
    if not 0 < quantile <= 1 or multiple < 1:
        raise UsageError("quantile lies above 0 and up to 1, and multiple is at least 1")
    with evaluating(model), torch.no_grad():
        seen = _Seen.through(model, batches)
    wanted = torch.quantile(seen.kept.double(), quantile, dim=1)
    longest, lengths = model.macs.tokens, []
    for want in wanted.tolist():
        longest = min(longest, multiple * math.ceil(want / multiple))
        lengths.append(longest)
    return seen.plan(reducer, tuple(lengths), None)


def assume_counts(model: ReducedTransformer) -> Plan:
    """Counts for the target of a model whose thresholds are not learned yet: every block takes as many tokens out.

    Half of them merge where the method both merges and prunes. Latency depends on counts alone, so this is what an
    untrained network is timed with. Raises `UsageError` for a model without learned thresholds, and for a target that
    its steps cannot reach.
    """
    reducer, macs = _dynamic(model), model.macs
    blocks = range(1, len(model.backbone.blocks) + 1)
    part = sum(step == MERGE for step in reducer.steps) / len(reducer.steps)

    def evenly(rate: float) -> _Scaled:
        lengths = [max(macs.tokens - rate * block, reducer.prefix, 1) for block in blocks]
        merges = [part * (before - left) for before, left in pairwise([macs.tokens, *lengths])]
        return _Scaled(model, reducer, lengths, merges, tile_of(macs.tokens))

    target = reducer.options.target
    rate = solve_share(lambda rate: evenly(rate).share(), 0, macs.tokens, target, model.method)
    counts = evenly(rate).to(target)
    static = _counted(model.backbone, reducer, *counts)
    return Plan(*counts, {}, float(macs.total(*static.counts(macs.tokens))), 0, "")


@dataclass(frozen=True)
class _Seen:
    """Calibration images after the patch embedding, and what the dynamic network made of them."""

    embedded: list[Tokens]
    kept: Tensor  # (blocks, images)
    macs: float
    data: str

    @classmethod
    def through(cls, model: ReducedTransformer, batches: Iterable[Tensor]) -> _Seen:
        embedded, attended, kept = [], [], []
        digest = hashlib.sha256()
        for images in batches:
            digest.update(images.detach().cpu().contiguous().numpy().tobytes())
            embedded.append(model.embed(images))
            before, after = model.run(images).counts()
            attended.append(before)
            kept.append(after)
        if not embedded:
            raise UsageError("calibration needs at least one image")
        counts = [torch.cat(parts, dim=1).double() for parts in (attended, kept)]
        macs = torch.as_tensor(model.macs.total(*counts)).mean().item()
        return cls(embedded, counts[1], macs, digest.hexdigest())

    def plan(self, reducer: LTMPReducer, lengths: tuple[int, ...], merges: tuple[int, ...] | None) -> Plan:
        thresholds = {
            step: tuple(value if math.isfinite(value) else None for value in values.tolist())
            for step, values in learned_thresholds(reducer).items()
        }
        return Plan(lengths, merges, thresholds, self.macs, self.kept.shape[1], self.data)


def _sequential(
    model: ReducedTransformer, reducer: LTMPReducer, states: list[Tokens]
) -> tuple[list[float], list[float]]:
    """Mean length and merges of every block, each with the means of those before it fixed."""
    lengths: list[float] = []
    merges: list[float] = []
    for index in range(len(model.backbone.blocks)):
        attended = [model.attend(index, tokens) for tokens in states]
        marked = [reducer.mark(index, *each) for each in attended]
        lengths.append(torch.cat([mark.tokens.active.float().sum(1) for mark in marked]).mean().item())
        merges.append(torch.cat([mark.merged for mark in marked]).mean().item())
        length = states[0].length
        merged = min(round(merges[-1]), sources_of(length, reducer.prefix))
        left = max(min(round(lengths[-1]), length - merged), 1)
        counted = _counted(model.backbone, reducer, (length,) * index + (left,), (0,) * index + (merged,))
        states = [model.finish(index, counted.between(index, *each)) for each in attended]
    return lengths, merges


@dataclass(frozen=True)
class _Scaled:
    """Mean lengths and merges scaled to whole numbers that a network can have."""

    model: ReducedTransformer
    reducer: LTMPReducer
    lengths: list[float]
    merges: list[float]
    multiple: int

    def to(self, target: float) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Lengths and merges whose share of the blocks' MACs comes nearest to `target`."""

        def scaled(less: float) -> tuple[int, ...]:
            return self._possible([mean * (1 - less) for mean in self.lengths])[0]

        def error(lengths: tuple[int, ...]) -> float:
            return abs(self.share(lengths) - target)

        factors = (0.0, solve_share(lambda less: self.share(scaled(less)), -1.0, 1.0, target, "calibration"))
        lengths = min(map(scaled, factors), key=error)
        # Then single blocks, because whole numbers jump together.
        while True:
            steps = [(index, step) for index in range(len(lengths)) for step in (-self.multiple, self.multiple)]
            changed = [
                self._possible([n + step * (i == index) for i, n in enumerate(lengths)])[0] for index, step in steps
            ]
            nearest = min(changed, key=error)
            if error(nearest) >= error(lengths):
                return self._possible(lengths)
            lengths = nearest

    def share(self, lengths: Sequence[float] | None = None) -> float:
        """The share of the blocks' MACs at these lengths; at its own by default."""
        macs, counts = self.model.macs, self._possible(self.lengths if lengths is None else lengths)
        return macs.share(*_counted(self.model.backbone, self.reducer, *counts).counts(macs.tokens))

    def _possible(self, wanted: Sequence[float]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Whole numbers next to the lengths `wanted`, and merges that take their part of what is removed."""
        length, prefix = self.model.macs.tokens, self.reducer.prefix
        mean_before, tile = float(length), tile_of(length)
        lengths, merges = [], []
        for want, mean, merged in zip(wanted, self.lengths, self.merges, strict=True):
            removed = mean_before - mean
            left = (
                in_tiles(want, length, tile) if tile == self.multiple else self.multiple * round(want / self.multiple)
            )
            left = min(max(left, prefix, 1), length)
            most = sources_of(length, prefix)
            merge = min(round((length - left) * merged / removed) if removed > 0 else 0, most)
            if PRUNE not in self.reducer.steps:
                merge = min(length - left, most)
                left = length - merge
            lengths.append(left)
            merges.append(merge)
            length, mean_before = left, mean
        return tuple(lengths), tuple(merges)


def _counted(
    backbone: VisionTransformer, reducer: LTMPReducer, lengths: Sequence[int], merges: Sequence[int]
) -> CountedReducer:
    """The reducer of fixed counts; pruning before merging leaves what merging then takes."""
    after = MERGE in reducer.steps and reducer.steps[0] == PRUNE
    keeps = tuple(left + merged if after else left for left, merged in zip(lengths, merges, strict=True))
    return CountedReducer(backbone, tuple(merges), keeps, reducer.steps, reorders=MERGE in reducer.steps)


def _dynamic(model: ReducedTransformer) -> LTMPReducer:
    if not isinstance(model.reducer, LTMPReducer) or model.reducer.capacity is not None:
        raise UsageError(f"{model.method} has no learned thresholds to make static: its shapes are fixed already")
    return model.reducer
