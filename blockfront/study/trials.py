"""Which trials of a study are this suite's: a study is Optuna's, and others may add trials to it."""

from __future__ import annotations

import warnings
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from blockfront.errors import RunError
from blockfront.plurals import counted

PROPOSED = "proposed"
"""Attribute of a trial that a sampler of ours has been asked for, from its first moment."""


class ForeignTrials(UserWarning):
    """A study has trials that somebody else added, and they are left out."""


class OwnTrials(Study):
    """A study as samplers see it that are to learn from this suite's trials alone."""

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        return [
            trial
            for trial in super()._get_trials(deepcopy, states, use_cache)
            if is_own(trial) and not is_derived(trial)
        ]


def is_own(trial: FrozenTrial) -> bool:
    """Whether this suite made a trial: it says which network it is, or was proposed, or why it was put aside."""
    attrs = trial.user_attrs
    put_aside = trial.state == TrialState.PRUNED and "reason" in attrs
    return _holds_network(trial) or PROPOSED in attrs or put_aside


def is_derived(trial: FrozenTrial) -> bool:
    """Whether its network was not drawn: it was made of another one of the study."""
    return _holds_network(trial) and trial.user_attrs["network"].get("parent") is not None


def network_trials(study: Study) -> list[FrozenTrial]:
    """The trials that hold a network of the study, finished or not."""
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if _holds_network(trial) and trial.state != TrialState.PRUNED]


def warn_of_foreign(study: Study) -> None:
    """Warn in one line of the trials that are left out, if there are any."""
    foreign = [trial.number for trial in study.get_trials(deepcopy=False) if not is_own(trial)]
    if foreign:
        some = ", ".join(map(str, foreign[:5])) + (", …" if len(foreign) > 5 else "")
        count = f"{counted(len(foreign), 'trial')} {'is' if len(foreign) == 1 else 'are'}"
        warnings.warn(
            f"study {study.study_name!r}: {count} left out and left alone, because bench did not add "
            f"them and they hold no network (trial {some})",
            ForeignTrials,
            stacklevel=2,
        )


@contextmanager
def no_other_kind(study: str) -> Iterator[None]:
    """Turn Optuna's refusal of a parameter that another trial has with other values into a RunError."""
    try:
        yield
    except ValueError as error:
        if "istribution" not in str(error):
            raise
        raise RunError(
            f"study {study!r} has a trial that bench did not add, with a parameter of the name and not the values of "
            f"one of this space ({error}); name another with --study"
        ) from error


def _holds_network(trial: FrozenTrial) -> bool:
    network = trial.user_attrs.get("network")
    return isinstance(network, Mapping) and isinstance(network.get("id"), str)
