"""What becomes of targets while images become batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from blockfront.tasks import Task

Targets = Callable[[Sequence[Any] | Tensor], Tensor]
"""From the labels of N images to what the task's loss takes, (N, ...): `Dataset.targets`."""
Mirrored = Callable[[Tensor], Tensor]
"""From the targets of N images to those of the same images mirrored: `Task.mirrored`."""


def fitted_targets(task: Task, resolution: int, targets: Targets, labels: Sequence[Any] | Tensor) -> Tensor:
    """The targets of images stretched to so many pixels each way, from what the data set says of them."""
    return targets(task.fitted(labels, resolution))


def mirror_half(images: Tensor, targets: Tensor, mirrored: Mirrored) -> tuple[Tensor, Tensor]:
    """Each image of a batch mirrored with a probability of a half, and its targets with it."""
    turned = torch.rand(len(images), 1, 1, 1) < 0.5
    rows = turned.view(-1, *[1] * (targets.ndim - 1))
    return torch.where(turned, images.flip(3), images), torch.where(rows, mirrored(targets), targets)
