"""What becomes of a picture before a network takes it, for those who do it without this suite."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from blockfront.tasks import TASKS
from blockfront.training.datasets import Tensors
from blockfront.training.loaders import Views, views_for
from blockfront.training.placing import Feed
from blockfront.training.tensor_batches import spread


@dataclass(frozen=True)
class Preparation:
    """Of pictures in tests of a network: how they get its size, and what their values become.

    `mean` and `std` are of red, green and blue, whose values are from 0 to 1. `crop` is the share of the resized
    picture that is kept of its middle, `fit` how it is resized before: `center` by its shorter side, `border` by its
    longer one with what lacks filled up, `squash` whatever its shape, as is everything that is not cropped.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    crop: float = 1.0
    fit: str = "squash"

    def describe(self, height: int, width: int) -> str:
        """In words, for an input of this size."""
        size = f"{height} x {width}"
        larger = f"{math.floor(height / self.crop)} x {math.floor(width / self.crop)}"
        if self.fit == "squash":
            resized = f"is stretched to {larger} pixels"
        elif self.fit == "border":
            resized = f"is resized until it fits into {larger} pixels and filled up with the mean"
        else:
            resized = f"is resized until it covers {larger} pixels"
        kept = "" if self.fit != "center" and larger == size else f", of which the middle {size} is kept"
        mean, std = (", ".join(f"{value:.7g}" for value in values) for values in (self.mean, self.std))
        return (
            f"A picture {resized} ({self.interpolation}){kept}, height x width. It is red, green, blue, each row by "
            f"row, of values from 0 to 1 (bytes over 255), less the mean {mean} and then over the standard deviation "
            f"{std}."
        )


def usual_preparation(module: nn.Module, resolution: int, task: str) -> Preparation:
    """That of pictures in files: by what a module says of its weights, else by ImageNet's mean and deviation."""
    return _of_pictures(views_for(module, resolution), task)


def preparation_of(feed: Feed) -> Preparation:
    """That of a data set's test images; those in memory have one mean and deviation, over all training pixels."""
    if not isinstance(feed.train_images, Tensors):
        return _of_pictures(feed.views, feed.dataset.task)
    std, mean = (float(value) for value in spread(feed.train_images))
    return Preparation((mean,) * 3, (std,) * 3, "bilinear")


def _of_pictures(views: Views, task: str) -> Preparation:
    if TASKS[task].places:
        return Preparation(views.mean, views.std, "bilinear, antialiased")
    antialiased = f"{views.interpolation}, antialiased"
    return Preparation(views.mean, views.std, antialiased, views.crop_pct, views.crop_mode)
