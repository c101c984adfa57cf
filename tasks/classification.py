"""One class an image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from blockfront.results import Score, counted_share
from blockfront.tasks.task import TASKS, Task

CLASSIFICATION = "classification"
"""The task of data and networks that name none."""


class Classification(Task):
    """One of several classes; networks give their logits."""

    name = CLASSIFICATION
    title = "one class an image, by logits"
    tag = "n"
    metrics = ("top1", "top5")
    dtype = torch.int64
    fewest = 2

    def target_shape(self, outputs: int) -> tuple[int, ...]:
        """One index of a class."""
        return ()

    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
        return F.cross_entropy(outputs.float(), targets, label_smoothing=label_smoothing)

    def evaluator(self, outputs: int) -> ClassCounts:
        return ClassCounts(outputs)


@dataclass
class ClassCounts:
    """Test images with the right class first, and among the first five; with fewer than 5 classes among all."""

    classes: int
    first: int = 0
    among_five: int = 0
    images: int = 0

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        best = outputs.topk(min(5, self.classes), dim=1).indices
        hits = best == targets.unsqueeze(1)
        self.first += int(hits[:, 0].sum())
        self.among_five += int(hits.sum())
        self.images += len(targets)

    def scores(self) -> dict[str, Score]:
        hits = {"top1": self.first, "top5": self.among_five}
        return {name: counted_share(count / self.images, self.images) for name, count in hits.items()}


TASKS.add(CLASSIFICATION, Classification())
