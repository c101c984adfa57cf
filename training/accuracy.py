"""Accuracy of one network on one data set, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AccuracySource = Literal["trained", "checkpoint", "proxy"]


@dataclass(frozen=True)
class Accuracy:
    """Top-1 and top-5 as shares of `test_images`, 0 to 1; `curve` is top-1 after each epoch."""

    top1: float
    top5: float
    test_images: int
    curve: tuple[float, ...]
    dataset: str
    recipe_hash: str
    epochs: int
    source: AccuracySource
    seconds: float
    seed: int
