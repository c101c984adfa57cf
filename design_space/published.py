"""Accuracies that were published for checkpoints: timm's results on ImageNet."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path

from blockfront.results import Training, counted_share

_TABLE = Path(__file__).with_name("timm_imagenet.csv")
_IMAGES = 50_000
_ABOUT = json.loads(_TABLE.with_suffix(".json").read_text(encoding="utf-8"))
ORIGIN = f"{_ABOUT['origin']}, {_ABOUT['version']}"
"""Which table it is."""
DATASET = "ImageNet-1k validation"


@cache
def _table() -> dict[str, dict[int, dict[str, float]]]:
    """Name of each checkpoint to its shares by height and width of the images; the most accurate stand first."""
    table: dict[str, dict[int, dict[str, float]]] = {}
    with _TABLE.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            shares = {name: float(row[name]) / 100 for name in ("top1", "top5")}
            table.setdefault(row["model"], {})[int(row["img_size"])] = shares
    return table


def published_sizes(checkpoint: str) -> list[int]:
    """The heights and widths of images, in pixels, that a checkpoint of timm has a published accuracy for."""
    return sorted(_table().get(checkpoint, {}))


def published(checkpoint: str, resolution: int) -> Training:
    """The published accuracy of a checkpoint of timm on images of one of its `published_sizes`, with intervals."""
    shares = _table()[checkpoint][resolution]
    scores = {name: counted_share(share, _IMAGES) for name, share in shares.items()}
    return Training(scores, _IMAGES, (), DATASET, "", 0, "published", 0.0, 0, checkpoint=checkpoint)


def default_checkpoint(model: str) -> str:
    """The checkpoint that a timm name stands for, `resnet18.a1_in1k` of `resnet18`: its tag's, else timm's default.

    Where the default has no published accuracy and another has one, the most accurate of those. What has no checkpoint
    stays what it is.
    """
    import timm

    if "." in model or not timm.is_model(model):
        return model
    default = timm.get_pretrained_cfg(model)
    name = f"{model}.{default.tag}" if default is not None and default.tag else model
    if name in _table():
        return name
    others = (one for one in _table() if one.partition(".")[0] == model)
    return next(others, name if timm.models.is_model_pretrained(name) else model)
