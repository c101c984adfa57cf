"""Accuracies that were published for checkpoints: timm's results on ImageNet."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from blockfront.results import Training, counted_share

_TABLE = Path(__file__).with_name("timm_imagenet.csv")
_IMAGES = 50_000
ORIGIN = "timm's results-imagenet.csv"
DATASET = "ImageNet-1k validation"


@dataclass(frozen=True)
class Checkpoint:
    """Weights with a published accuracy: timm's name with the tag, and the height and width of the images in pixels.

    `top1` and `top5` are shares of ImageNet's 50,000 images for validation.
    """

    name: str
    resolution: int
    top1: float
    top5: float

    @property
    def training(self) -> Training:
        """Its scores, with intervals over the images."""
        scores = {key: counted_share(getattr(self, key), _IMAGES) for key in ("top1", "top5")}
        return Training(scores, _IMAGES, (), DATASET, "", 0, "published", 0.0, 0, checkpoint=self.name)


@cache
def checkpoints() -> dict[str, Checkpoint]:
    """Every checkpoint of timm with a published accuracy by its name, the most accurate first."""
    with _TABLE.open(encoding="utf-8", newline="") as lines:
        return {
            row["model"]: Checkpoint(
                row["model"], int(row["img_size"]), float(row["top1"]) / 100, float(row["top5"]) / 100
            )
            for row in csv.DictReader(lines)
        }


def find_checkpoint(model: str) -> Checkpoint | None:
    """The checkpoint that a timm name stands for: its tag's, and without a tag timm's default.

    Where the default has no published accuracy, the most accurate of the model's that has one. None for all others.
    """
    import timm

    known = checkpoints()
    architecture, _, tag = model.partition(".")
    if tag or model in known:
        return known.get(model)
    if not timm.is_model(architecture):
        return None
    default = timm.get_pretrained_cfg(architecture)
    named = f"{architecture}.{default.tag}" if default is not None and default.tag else architecture
    others = (name for name in known if name.partition(".")[0] == architecture)
    return known.get(named) or known.get(next(others, ""))
