"""A user's vision transformer with its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blockfront.design_space.models import find_model
from blockfront.errors import RunError, UsageError
from blockfront.plurals import counted

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer
    from torch import nn

    from blockfront.training import Dataset


def load_transformer(ref: str, dataset: Dataset, checkpoint: Path | None, pretrained: bool) -> VisionTransformer:
    """The model `ref` means, as for `bench profile`, with the weights of a checkpoint file or timm's pretrained ones.

    Checkpoints are read as tensors only. Raises `UsageError` for data of another task than classification, a model that
    is no vision transformer, classes other than the data set's and a checkpoint that does not fit, `RunError` when
    pretrained weights cannot be had.
    """
    from timm.models.vision_transformer import VisionTransformer

    from blockfront.tasks import CLASSIFICATION

    if dataset.task != CLASSIFICATION:
        raise UsageError(f"bench tokens is for classification, and data set {dataset.ref} for {dataset.task}")
    module = _build(ref, dataset, pretrained and checkpoint is None)
    if not isinstance(module, VisionTransformer):
        raise UsageError(f"{ref} is no plain vision transformer of timm's; tokens can be reduced in those")
    if checkpoint is not None:
        _load(module, checkpoint, ref)
    if module.num_classes != dataset.num_classes:
        raise _other_classes(ref, module.num_classes, dataset)
    return module.eval()


def _build(ref: str, dataset: Dataset, pretrained: bool) -> nn.Module:
    import timm

    if not timm.is_model(ref):
        found = find_model(ref)
        if pretrained:
            raise UsageError(f"there are no pretrained weights of {ref}: give --checkpoint, or --no-pretrained")
        return found.build()
    if not pretrained:
        return timm.create_model(ref, num_classes=dataset.num_classes)
    known = timm.get_pretrained_cfg(ref)
    if known is not None and known.num_classes != dataset.num_classes:
        raise _other_classes(ref, known.num_classes, dataset)
    try:
        return timm.create_model(ref, pretrained=True)
    except Exception as error:  # as many kinds as there are hubs, files and network failures
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"pretrained weights of {ref} cannot be had: {reason}; or give --checkpoint FILE") from error


def _other_classes(ref: str, classes: int, dataset: Dataset) -> UsageError:
    return UsageError(
        f"{ref} knows {counted(classes, 'class')} and {dataset.ref} has {dataset.num_classes}: "
        "give a --checkpoint that was trained on it"
    )


def _load(module: nn.Module, checkpoint: Path, ref: str) -> None:
    from timm.models import load_checkpoint

    if not checkpoint.is_file():
        raise UsageError(f"no such checkpoint: {checkpoint}")
    try:
        load_checkpoint(module, str(checkpoint), weights_only=True)
    except Exception as error:  # torch's readers fail in as many ways as there are other files
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"{checkpoint} does not fit {ref}: {reason}") from error
