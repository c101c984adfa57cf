"""What training with several seeds tells of the luck of a training, and values as other seeds might have made them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blockfront.analysis.metrics import Objectives
from blockfront.analysis.statistics import drawn_together
from blockfront.results import seed_column


def seed_deviation(table: pd.DataFrame, value: str) -> float:
    """The standard deviation of a value over training seeds, pooled over the networks with two or more; else NaN.

    Pooled because a network's own few seeds say little of it: the root of the mean variance, weighted by the seeds less
    one.
    """
    if seed_column(value) not in table:
        return math.nan
    own = table[[seed_column(value), "trainings"]].dropna()
    degrees = own["trainings"].to_numpy(dtype=np.float64) - 1
    if not degrees.sum() > 0:
        return math.nan
    variances = own[seed_column(value)].to_numpy(dtype=np.float64) ** 2
    return math.sqrt(float((degrees * variances).sum() / degrees.sum()))


def drawn_gains(table: pd.DataFrame, objectives: Objectives, draws: int, seed: int) -> NDArray[np.float64]:
    """The gains of a tidy table's n networks for each of `draws` draws of training seeds, (draws, n).

    Each network's mean moves by a normal deviate of `seed_deviation` over the root of its number of trainings: a
    parametric bootstrap, since few seeds drawn with replacement vary too little. (1, n), the gains themselves, where no
    network has several.
    """
    gains = objectives.gains(table)
    deviation = seed_deviation(table, objectives.value)
    if not deviation > 0:
        return gains[None]
    trainings = table["trainings"].fillna(1).to_numpy(dtype=np.float64)
    noise = np.random.default_rng([seed, 1]).standard_normal((draws, len(gains)))
    return gains + noise * deviation / np.sqrt(trainings)


def covered(table: pd.DataFrame, objectives: Objectives) -> str:
    """What intervals of these networks cover, and what they do not, in words after "They cover"."""
    sampled = f"which {'skeletons' if drawn_together(table) else 'networks'} were sampled"
    if math.isnan(seed_deviation(table, objectives.value)):
        return f"{sampled}, not training or timing noise nor the error of a prediction or a simulation"
    return f"{sampled} and the seeds of their trainings, not timing noise nor the error of a prediction or a simulation"
