"""A task of one's own, and data to try it on: the level of noise in a picture."""

import torch
import torch.nn.functional as F

from blockfront.results import Metric, add_columns, score_columns
from blockfront.tasks import TASKS, ImageMeans, Task
from blockfront.training import Source, Tensors


class Regression(Task):
    name, title, tag, metrics = "regression", "numbers an image", "r", ("mae",)

    def loss(self, outputs, targets, label_smoothing):
        return F.mse_loss(outputs, targets)

    def evaluator(self, outputs):
        return ImageMeans(mae=lambda outputs, targets: (outputs - targets).abs().mean(1))


metric = Metric("mae", "mean absolute error", "levels", "minimize", noun="error", short="error")
add_columns(*score_columns("levels", "mean distance of outputs from the truth", metric))
TASKS.add(Regression.name, Regression())


def noise_of_known_level(dataset):
    level = torch.rand(640, generator=torch.Generator().manual_seed(0))
    images = level[:, None, None, None] * torch.rand(640, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    return Tensors(images[:512], level[:512]), Tensors(images[512:], level[512:])


noise = Source("noise", "Noise", "made here", noise_of_known_level, num_classes=1, resolution=16, task="regression")
