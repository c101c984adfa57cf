"""What it may have cost the front that trainings were stopped early."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from blockfront.analysis.families import study_box
from blockfront.analysis.frame import tidy, usable
from blockfront.analysis.metrics import OBJECTIVES, Objectives
from blockfront.analysis.pareto import hypervolume


@dataclass(frozen=True)
class StoppedEarly:
    """`stopped` of `networks` networks in training ended before the last epoch.

    `epochs` is the share of the epochs that training all of them once would have taken. `loss` is by how much larger
    the hypervolume of the front would be, as a share of it, had each stopped network reached the upper end of its
    forecast; NaN without a front.
    """

    stopped: int
    networks: int
    epochs: float
    loss: float


def stopped_early(df: pd.DataFrame, objectives: Objectives = OBJECTIVES) -> StoppedEarly | None:
    """What is known of the trainings of a table's networks that were stopped; None where none was."""
    table = tidy(df)
    stopped = table[(table["state"] == "stopped") & table["optimistic_value"].notna()]
    if stopped.empty:
        return None
    finished = usable(df, objectives.cost, objectives.value)
    epochs = pd.concat([stopped["epochs"], finished["epochs"]])
    box = study_box(df, objectives)
    corner = (box.cost, objectives.sign * box.value)
    points = np.column_stack([objectives.costs(finished), objectives.gains(finished)])
    hoped = np.column_stack([objectives.costs(stopped), objectives.sign * stopped["optimistic_value"]])
    area = hypervolume(points, corner)
    loss = hypervolume(np.vstack([points, hoped]), corner) / area - 1 if area > 0 else math.nan
    return StoppedEarly(len(stopped), len(epochs), float(epochs.mean() / epochs.max()), loss)
