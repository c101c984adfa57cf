"""How well one training made a network do its task, and where that came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from blockfront.results.intervals import bootstrap95, wilson95

AccuracySource = Literal["trained", "checkpoint", "published", "file", "proxy"]


@dataclass(frozen=True)
class Score:
    """A metric's value on the test images, and its 95 % interval over them; None where it has none."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Training:
    """Scores of one training by metric, on `test_images`; `curve` is the task's first metric after each epoch.

    One that is not over has no scores and as many `epochs` as are done.

    `seed` is that of the weights and of the order of the images. A network that was not trained here has no recipe and
    no epochs: `checkpoint` names its weights where they have a name, which were evaluated here where the source is
    `checkpoint`, elsewhere where it is `published` or `file`. `test_images` is None where nobody says.
    """

    scores: dict[str, Score]
    test_images: int | None
    curve: tuple[float, ...]
    dataset: str
    recipe_hash: str
    epochs: int
    source: AccuracySource
    seconds: float
    seed: int
    checkpoint: str | None = None


def mean_score(trainings: Sequence[Training], metric: str) -> Score | None:
    """The mean of a metric over trainings of one network with a 95 % interval; None where no training has it.

    Of one training the interval covers the test images. Of K it covers training seeds too: half its width is the root
    of the sum of squares of Student's t over the seeds' values and of the mean half width over the test images.
    """
    scores = [training.scores[metric] for training in trainings if metric in training.scores]
    if len(scores) < 2:
        return scores[0] if scores else None
    from scipy.special import stdtrit  # scipy.stats takes a second

    value = fmean(score.value for score in scores)
    halves = [(score.high - score.low) / 2 for score in scores if score.low is not None and score.high is not None]
    over_images = fmean(halves) if halves else 0.0
    over_seeds = float(stdtrit(len(scores) - 1, 0.975)) * stdev(s.value for s in scores) / len(scores) ** 0.5
    half = (over_images**2 + over_seeds**2) ** 0.5
    return Score(value, value - half, value + half)


def seed_spread(trainings: Sequence[Training], metric: str) -> float | None:
    """The standard deviation of a metric over trainings of one network; None for fewer than two."""
    values = [training.scores[metric].value for training in trainings if metric in training.scores]
    return stdev(values) if len(values) > 1 else None


def counted_share(share: float, images: int) -> Score:
    """The score of a share of test images, with Wilson's interval."""
    return Score(share, *wilson95(share, images))


def mean_over_images(values: ArrayLike) -> Score:
    """The score of a metric that is the mean of one value (images,) for each test image, with a bootstrap interval."""
    array = np.asarray(values, dtype=np.float64)
    return Score(float(array.mean()), *bootstrap95(lambda rows: array[rows].mean(), len(array)))
