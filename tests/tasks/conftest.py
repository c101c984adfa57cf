"""A task with a small post-processing, known for the length of a test."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blockfront.results import COLUMNS, Metric, add_columns, score_columns
from blockfront.tasks import TASKS, Evaluator, ImageMeans, Task


class Regression(Task):
    """Numbers an image, of which the device makes three more and keeps what is above zero."""

    name = "regression"
    title = "numbers an image"
    tag = "r"
    metrics = ("mae",)

    @property
    def postprocess(self) -> nn.Module:
        layer = nn.Linear(2, 3)
        with torch.no_grad():
            layer.weight.copy_(torch.arange(6.0).reshape(3, 2))
            layer.bias.fill_(0.5)
        return nn.Sequential(layer, nn.ReLU())

    def loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
        return F.mse_loss(outputs, targets)

    def evaluator(self, outputs: int) -> Evaluator:
        return ImageMeans(mae=lambda outputs, targets: (outputs - targets).abs().mean(1))


@pytest.fixture
def regression(own_registries: Callable[..., None]) -> Task:
    own_registries(COLUMNS, TASKS)
    add_columns(*score_columns("px", "mean error", Metric("mae", "mean absolute error", "px", "minimize")))
    return TASKS.add("regression", Regression())
