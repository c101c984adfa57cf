"""How many tokens each block of a transformer with learned thresholds keeps and merges."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from torch import nn

from blockfront.adaptations.adaptation import ADAPTATIONS, Adaptation
from blockfront.blocks.tokens import (
    LABEL_SMOOTHING,
    Plan,
    ReducedTransformer,
    assume_counts,
    calibrate,
    learn_thresholds,
    make_static,
    score_transformers,
)

if TYPE_CHECKING:
    from blockfront.training import Feed

CALIBRATION_IMAGES = 1024
STEPS = 150
SMALLEST_BATCH, LARGEST_BATCH = 8, 128


class TokenCounts(Adaptation[Plan]):
    """LTMP's thresholds, learned in one pass over the training images, and the counts that cost the same on average."""

    name = "token_counts"
    title = "thresholds of a token reduction, and the counts they lead to"
    artefact = Plan

    def trained(self, module: nn.Module) -> nn.Module:
        """The transformer without its reduction."""
        return _reduced(module).unreduced

    def fit(self, module: nn.Module, feed: Feed) -> Plan:
        """The counts. `module` keeps the thresholds, by which it is dynamic."""
        reduced, size = _reduced(module), batch_of(feed.dataset.train_images)
        learn_thresholds(reduced, feed.training(size), criterion=feed.criterion(LABEL_SMOOTHING))
        return calibrate(reduced, (images for images, _ in feed.training(limit=CALIBRATION_IMAGES)))

    def adapt(self, module: nn.Module, artefact: Plan | None) -> nn.Module:
        reduced = _reduced(module)
        return make_static(reduced, artefact or assume_counts(reduced))

    def origin(self, artefact: Plan | None) -> str:
        return "assumed" if artefact is None else artefact.origin

    def compare(self, module: nn.Module, adapted: nn.Module, feed: Feed) -> dict[str, float]:
        """Where classes are told: the dynamic network's top-1, and how often the static one gives the same class."""
        if "top1" not in feed.dataset.metrics:
            return {}
        scores = score_transformers({"dynamic": module, "static": adapted}, feed.test())
        return {"dynamic_top1": scores["dynamic"].top1, "agreement": scores["static"].agreement}


def batch_of(images: int) -> int:
    """Images a step so that one pass over a small data set has enough steps: 128, as published, where it is large."""
    return min(max(images // STEPS, SMALLEST_BATCH), LARGEST_BATCH)


def _reduced(module: nn.Module) -> ReducedTransformer:
    return cast(ReducedTransformer, module)


ADAPTATIONS.add(TokenCounts.name, TokenCounts())
