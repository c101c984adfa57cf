"""What `--budget` may be."""

from __future__ import annotations

from blockfront.errors import UsageError
from blockfront.plurals import counted
from blockfront.sweep.forecasting import pilot_count

FRONT, EPOCHS = "front", "epochs"
"""Kinds of budget, as settings keep them: what can reach the front is trained, or so many epochs of it."""


def check_budget(budget: str | None, n: int, epochs: int | None, train_seeds: int, watched: bool) -> str | None:
    """The kind of a budget, None without one.

    Raises UsageError for what is neither `front` nor a number of epochs, for too few of them, for trainings of one
    epoch or none, which nothing can stop, and for a value that curves do not have (`watched`).
    """
    if budget is None:
        return None
    if budget != FRONT and not budget.isdecimal():
        raise UsageError(f"--budget is front or a number of epochs in all, not {budget!r}")
    if epochs is None:
        raise UsageError("--budget bounds training, and there is none; leave one of the two out")
    if epochs < 2:
        raise UsageError(
            "--budget stops trainings between two epochs, and the recipe has one; give more, such as --epochs 10"
        )
    if not watched:
        raise UsageError("--budget judges networks by their task's first metric; leave --value out")
    if budget == FRONT:
        return FRONT
    if train_seeds > 1:
        raise UsageError("--budget with a number of epochs is for one training a network; take --budget front")
    least = n + pilot_count(n) * (epochs - 1)
    if int(budget) < least:
        raise UsageError(
            f"--budget {budget} is too little: one epoch of each of {counted(n, 'network')}, and the other "
            f"{epochs - 1} of {pilot_count(n)} of them, take {least}"
        )
    return EPOCHS
