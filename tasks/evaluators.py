"""Evaluators that tasks share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from blockfront.results import Score, mean_over_images


class ImageMeans:
    """Metrics that are the mean of one number for each test image, with bootstrap intervals over the images.

    Each is `name=function`, from a batch's outputs (N, outputs) and targets (N, ...) to these numbers (N,).
    """

    def __init__(self, **metrics: Callable[[Tensor, Tensor], Tensor]) -> None:
        self._metrics = metrics
        self._values: dict[str, list[float]] = {name: [] for name in metrics}

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        for name, of in self._metrics.items():
            self._values[name] += of(outputs, targets).tolist()

    def scores(self) -> dict[str, Score]:
        return {name: mean_over_images(values) for name, values in self._values.items()}

    def drop(self, other: ImageMeans) -> Score:
        own, others = (np.array(next(iter(one._values.values()))) for one in (self, other))
        return mean_over_images(own - others)
