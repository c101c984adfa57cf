"""What `bench tokens` does: learn thresholds for a user's transformer, fix their counts, compare on the test images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockfront.errors import UsageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from timm.models.vision_transformer import VisionTransformer

    from blockfront.blocks.tokens import ReducedTransformer
    from blockfront.console.progress import Progress
    from blockfront.training import Dataset, Feed


@dataclass(frozen=True)
class TransformerSetup:
    """A transformer with its weights, the data set it is for, and where they compute; see `blockfront.training.fed`."""

    name: str
    backbone: VisionTransformer
    dataset: Dataset
    batch_size: int
    device: str
    amp: bool
    threads: int
    workers: int
    seed: int

    def fed(self, model: ReducedTransformer | VisionTransformer) -> AbstractContextManager[Feed]:
        """`model` on the device, and the data set's images there."""
        from blockfront.training import fed

        size = self.backbone.patch_embed.img_size
        if size[0] != size[1]:
            raise UsageError(f"the model takes images of {size[0]} by {size[1]} pixels; only square ones are supported")
        return fed(
            model,
            self.dataset,
            resolution=size[0],
            device=self.device,
            threads=self.threads,
            seed=self.seed,
            workers=self.workers,
            amp=self.amp,
        )


def learn_reduction(
    setup: TransformerSetup,
    options: dict[str, Any],
    rates: tuple[float, float],
    epochs: int,
    output: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Learn the thresholds of `ltmp` with these options, and keep them in `output`; gives what was learned.

    `rates`: the learning rates for merging and pruning.
    """
    from blockfront.blocks.tokens import learn_thresholds, reduce_tokens, save_reduction, threshold_groups

    model = reduce_tokens(setup.backbone, "ltmp", **options)
    steps = epochs * -(-setup.dataset.train_images // setup.batch_size)
    with setup.fed(model) as feed, progress.stage("learn", steps) as advance:
        batches = (batch for _ in range(epochs) for batch in feed.training(setup.batch_size))
        losses = learn_thresholds(model, _counted(batches, advance), merge_rate=rates[0], prune_rate=rates[1])
    save_reduction(model, output)
    return {
        "file": str(output),
        "target": model.options.target,
        "steps": len(losses),
        "loss": losses[-1],
        "thresholds": {group["name"]: group["params"][0].tolist() for group in threshold_groups(model)},
    }


def fix_counts(
    setup: TransformerSetup,
    reduction: Path,
    images: int,
    multiple: int | None,
    quantile: float | None,
    output: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Counts for the thresholds of a reduction, or with a `quantile` lengths that hold what they leave, to `output`."""
    from blockfront.blocks.tokens import (
        calibrate,
        calibrate_capacity,
        count_macs,
        load_reduction,
        make_dynamic,
        make_static,
        save_reduction,
    )

    model = load_reduction(setup.backbone, reduction)
    model = model if model.plan is None else make_dynamic(model)
    images = min(images, setup.dataset.train_images)
    with setup.fed(model) as feed, progress.stage("calibrate", -(-images // setup.batch_size)) as advance:
        batches = (batch for batch, _ in _counted(feed.training(setup.batch_size, images), advance))
        if quantile is None:
            plan = calibrate(model, batches, multiple)
        else:
            plan = calibrate_capacity(model, batches, quantile, 1 if multiple is None else multiple)
    static = make_static(model, plan)
    save_reduction(static, output)
    macs = count_macs(static).item()
    return {
        "file": str(output),
        **asdict(plan),
        "dynamic_macs": plan.macs,
        "macs": macs,
        "share": static.macs.share_of(macs),
    }


def evaluate_reduction(setup: TransformerSetup, reduction: Path | None, progress: Progress) -> dict[str, Any]:
    """Scores of the plain model and of what a reduction makes of it, on the test images.

    The first network is the one that the others' `agreement` is with: where there are fixed counts, that of thresholds.
    """
    from torch import nn

    from blockfront.blocks.tokens import load_reduction, make_dynamic, score_transformers

    models: dict[str, nn.Module] = {"plain": setup.backbone}
    model: Any = setup.backbone
    if reduction is not None:
        model = load_reduction(setup.backbone, reduction)
    dataset = setup.dataset
    with setup.fed(model) as feed, progress.stage("evaluate", -(-dataset.test_images // setup.batch_size)) as step:
        if model is not setup.backbone and model.plan is not None:
            models = {f"{model.method} dynamic": make_dynamic(model), f"{model.method} static": model, **models}
        elif model is not setup.backbone:
            models = {**models, model.method: model}
        scores = score_transformers(models, _counted(feed.test(setup.batch_size), step))
    networks = [{"network": name, **asdict(score)} for name, score in scores.items()]
    return {"dataset": dataset.ref, "test_images": dataset.test_images, "networks": networks}


def _counted(batches: Iterable[Any], advance: Any) -> Iterator[Any]:
    for batch in batches:
        yield batch
        advance()
