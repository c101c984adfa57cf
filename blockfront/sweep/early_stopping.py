"""Training in rounds, after each of which those networks stop that cannot reach the front any more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from blockfront.plurals import counted
from blockfront.results import METRICS, Stopped
from blockfront.results.intervals import Z95
from blockfront.results.table import row_of
from blockfront.sweep.accuracies import train_networks, train_until
from blockfront.sweep.budget import EPOCHS
from blockfront.sweep.forecasting import Contender, Outlook, choose_pilots, foresee, going_on, pilot_count, rungs

if TYPE_CHECKING:
    from blockfront.console.progress import Progress
    from blockfront.results import Result
    from blockfront.study.journal import Entry, Journal
    from blockfront.sweep.keeping import Keeper
    from blockfront.sweep.plan import SweepPlan
    from blockfront.sweep.pool import Pool


def train_within_budget(
    pool: Pool, plan: SweepPlan, journal: Journal, entries: Sequence[Entry], progress: Progress, keeper: Keeper
) -> None:
    """Train the entries with the first seed in rounds, stop some after each, and train the others with all seeds.

    Who stops follows from curves and costs alone, once all networks have come to the same epoch, and so not from which
    worker was faster. A study that goes on decides as it would have done.
    """
    assert plan.recipe is not None
    epochs, first = plan.recipe.epochs, journal.settings.seed
    racing = {entry.number: entry for entry in entries if first in journal.missing_seeds(entry)}
    pilots = _pilots(journal, epochs)
    for rung in (*rungs(epochs), epochs):
        calls = [(entry, epochs if entry.number in pilots else rung) for entry in racing.values()]
        train_until(pool, plan, journal, calls, progress, keeper)
        racing = {
            number: entry
            for number, entry in racing.items()
            if entry.result.error is None and first in journal.missing_seeds(entry)
        }
        if rung < epochs and racing:
            for entry, stopped in _stops(plan, journal, racing, rung):
                journal.stop(entry, stopped)
                del racing[entry.number]
    left = [entry for entry in entries if entry.result.stopped is None and entry.result.error is None]
    train_networks(pool, plan, journal, left, progress, keeper)


def _pilots(journal: Journal, epochs: int) -> set[int]:
    """Those that are trained to the end; nobody once enough are finished."""
    contenders = _contenders(journal.results(), journal.settings.objectives)
    known = sum(one.final is not None and len(one.curve) == epochs for one in contenders)
    return set() if known >= pilot_count(len(contenders)) else choose_pilots(contenders)


def _stops(plan: SweepPlan, journal: Journal, racing: dict[int, Entry], epoch: int) -> list[tuple[Entry, Stopped]]:
    """Which networks in training stop after an epoch, and why."""
    epochs = plan.recipe.epochs if plan.recipe else 0
    value = METRICS[journal.settings.objectives[1]]
    results = journal.results()
    contenders = _contenders(results, journal.settings.objectives)
    outlooks = [one for one in foresee(contenders, epoch, _standard_error(results, value.key)) if one.number in racing]
    left = None
    if journal.settings.budget == EPOCHS:
        left = int(plan.request.budget or 0) - sum(_epochs(result) for result in results)
    going = going_on(outlooks, epoch, epochs, left)

    def told(one: Outlook) -> Stopped:
        best = value.sign * (min(one.optimistic, 1.0) if value.is_share else one.optimistic)
        reason = "the budget goes to others"
        if one.hopeless:
            front = value.text(value.sign * one.needed)
            reason = f"at best {value.text(best)}, and the front has {front} at its cost"
        return Stopped(f"after {epoch} of {counted(epochs, 'epoch')}: {reason}", best if math.isfinite(best) else None)

    return [(racing[one.number], told(one)) for one in outlooks if one.number not in going]


def _contenders(results: Sequence[Result], objectives: Sequence[str]) -> list[Contender]:
    """The networks of a study that have their cost, with the gains of their first training."""
    cost, value = objectives
    sign, found = METRICS[value].sign, []
    for result in results:
        row = row_of(result)
        if row[cost] is None or result.error is not None or result.rejected is not None:
            continue
        training = result.trainings[0] if result.trainings else result.begun
        curve = tuple(sign * gain for gain in training.curve) if training else ()
        final = sign * training.scores[value].value if training and value in training.scores else None
        found.append(Contender(int(result.trial or 0), float(row[cost]), curve, final))
    return found


def _standard_error(results: Sequence[Result], value: str) -> float:
    """The mean standard error of finished trainings' values over the test images; 0 where nobody says."""
    scores = [training.scores[value] for result in results for training in result.trainings if value in training.scores]
    halves = [(score.high - score.low) / 2 for score in scores if score.low is not None and score.high is not None]
    halves = [half for half in halves if math.isfinite(half)]
    return fmean(halves) / Z95 if halves else 0.0


def _epochs(result: Result) -> int:
    """Epochs that a network was trained in its study."""
    if result.accuracy_from is not None:
        return 0
    trainings = result.trainings or ((result.begun,) if result.begun else ())
    return sum(training.epochs for training in trainings)
