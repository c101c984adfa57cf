"""One class an image."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from blockfront.results import Score, counted_share, paired95
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
    first: list[Tensor] = field(default_factory=list)
    among_five: int = 0

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        best = outputs.topk(min(5, self.classes), dim=1).indices
        hits = best == targets.unsqueeze(1)
        self.first.append(hits[:, 0].cpu())
        self.among_five += int(hits.sum())

    def scores(self) -> dict[str, Score]:
        first = torch.cat(self.first)
        hits = {"top1": int(first.sum()), "top5": self.among_five}
        return {name: counted_share(count / len(first), len(first)) for name, count in hits.items()}

    def drop(self, other: ClassCounts) -> Score:
        own, others = torch.cat(self.first), torch.cat(other.first)
        lost, won = int((own & ~others).sum()), int((others & ~own).sum())
        return Score((lost - won) / len(own), *paired95(lost, won, len(own)))


TASKS.add(CLASSIFICATION, Classification())
