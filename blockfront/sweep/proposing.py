"""Networks proposed by Optuna's samplers, which learn from the trials that are finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockfront.errors import RunError, UsageError
from blockfront.study.trials import no_other_kind

if TYPE_CHECKING:
    from blockfront.design_space import Space
    from blockfront.study.journal import Entry, Journal

PROPOSALS_ALLOWED = 200
"""Proposals in a row that may repeat a network or break a constraint before the sweep gives up."""


def propose(journal: Journal, space: Space, count: int) -> list[Entry]:
    """Ask the study's sampler for `count` networks that it has not proposed before and the space allows.

    Raises RunError when it proposes 200 in a row that are not.
    """
    taken = set(journal.taken())
    entries: list[Entry] = []
    refused = 0
    while len(entries) < count:
        trial = journal.ask()
        try:
            with no_other_kind(journal.study.study_name):
                network = space.suggest(trial)
            broken = space.broken(network)
            problem = f"breaks the constraint on {', '.join(broken)}" if broken else None
            if network.id in taken:
                problem = f"repeats network {network.id}"
        except UsageError as error:
            problem = str(error)
        if problem is None:
            taken.add(network.id)
            entries.append(journal.adopt(trial.number, network))
            refused = 0
            continue
        journal.prune(trial.number, problem)
        refused += 1
        if refused >= PROPOSALS_ALLOWED:
            raise RunError(
                f"sampler {journal.settings.sampler} proposed no new network in {PROPOSALS_ALLOWED} tries "
                f"after {len(taken)} ({problem}); widen the space or use --sampler random"
            )
    return entries
