"""A network whose thresholds decide how many tokens it keeps: trained, its thresholds learned, its counts fixed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blockfront.blocks.tokens import ReducedTransformer
    from blockfront.training import Dataset, Recipe

CALIBRATION_IMAGES = 1024
STEPS = 150
SMALLEST_BATCH, LARGEST_BATCH = 8, 128


def batch_of(images: int) -> int:
    """Images a step so that one pass over a small data set has enough steps: 128, as published, where it is large."""
    return min(max(images // STEPS, SMALLEST_BATCH), LARGEST_BATCH)


def train_and_learn(
    module: ReducedTransformer, dataset: Dataset, recipe: Recipe, where: Mapping[str, Any]
) -> dict[str, Any]:
    """Train the plain network, learn the thresholds in one pass, calibrate counts: its training, and tokens as JSON.

    The training's scores are the static network's, which is what is compiled. `tokens` holds the counts' plan, the
    top-1 of the plain and of the dynamic network, and the share of the test images that dynamic and static give one
    class. `where`: `train`'s arguments resolution, device, threads and seed.
    """
    from blockfront.blocks.tokens import calibrate, learn_thresholds, make_static, score_transformers
    from blockfront.results import counted_share
    from blockfront.training import fed, train

    start = time.perf_counter()
    plain = train(module.backbone, dataset, recipe, **where)
    with fed(module, dataset, **where) as feed:
        learn_thresholds(module, feed.training(batch_of(dataset.train_images)))
        plan = calibrate(module, (images for images, _ in feed.training(limit=CALIBRATION_IMAGES)))
        scores = score_transformers({"dynamic": module, "static": make_static(module, plan)}, feed.test())
    dynamic, static = scores["dynamic"], scores["static"]
    seconds = time.perf_counter() - start
    counted = {name: counted_share(getattr(static, name), static.images) for name in ("top1", "top5")}
    training = replace(plain, scores=counted, seconds=seconds)
    tokens = {
        "plan": asdict(plan),
        "plain_top1": plain.scores["top1"].value,
        "dynamic_top1": dynamic.top1,
        "agreement": static.agreement,
    }
    return {"tokens": tokens, "trainings": (training,)}
