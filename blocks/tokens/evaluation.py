"""Networks side by side on labelled images: what reduction costs in accuracy, and static graphs beside dynamic ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from blockfront.blocks.tokens.macs import TransformerMacs
from blockfront.blocks.tokens.transformer import ReducedTransformer, evaluating
from blockfront.errors import RunError, UsageError


@dataclass(frozen=True)
class TransformerScore:
    """One network on `images` images: top-1 and top-5 as shares, 0 to 1, and the mean MACs of an image.

    `agreement`: the share of the images that it gives the class which the first network compared gives.
    """

    images: int
    top1: float
    top5: float
    macs: float
    agreement: float


def score_transformers(
    models: Mapping[str, nn.Module], batches: Iterable[tuple[Tensor, Tensor]]
) -> dict[str, TransformerScore]:
    """Scores of transformers, plain or reduced, on the same batches of images (B, 3, H, W) and labels (B,).

    With fewer than 5 classes top-5 counts all of them. Raises `UsageError` for no images, `RunError` for outputs that
    are not finite.
    """
    sums = {name: torch.zeros(4, dtype=torch.float64) for name in models}
    images = 0
    with torch.no_grad(), ExitStack() as modes:
        for model in models.values():
            modes.enter_context(evaluating(model))
        for batch, labels in batches:
            images += len(labels)
            first: Tensor | None = None
            for name, model in models.items():
                logits, macs = _run(model, batch)
                if not torch.isfinite(logits).all():
                    raise RunError(f"outputs of the {name} network are not finite")
                best = logits.topk(min(5, logits.shape[1]), dim=1).indices
                first = best[:, 0] if first is None else first
                hits = best == labels[:, None]
                counts = [hits[:, 0].sum(), hits.sum(), macs.sum(), (best[:, 0] == first).sum()]
                sums[name] += torch.stack([count.double().cpu() for count in counts])
    if images == 0:
        raise UsageError("a comparison needs at least one image")
    return {name: TransformerScore(images, *(total / images).tolist()) for name, total in sums.items()}


def _run(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, classes), and MACs of each image (B,)."""
    if isinstance(model, ReducedTransformer):
        run = model.run(images)
        return run.logits.float(), model.macs_of(run)
    plain = TransformerMacs.of(model).plain
    return model(images).float(), torch.full((len(images),), float(plain))
