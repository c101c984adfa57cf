"""The second stage: accuracy of every network that has a latency, and before it of those that data adapt."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from blockfront.study.journal import known_accuracies
from blockfront.sweep.latencies import job
from blockfront.sweep.pool import Pool, WorkerCall
from blockfront.sweep.stages import train_network

if TYPE_CHECKING:
    from blockfront.console.progress import Progress
    from blockfront.study.journal import Entry, Journal
    from blockfront.sweep.request import SweepPlan


def reuse(journal: Journal, entries: Sequence[Entry]) -> int:
    """Give entries the accuracies that the storage already holds for them; how many it did."""
    lacking = [entry for entry in entries if not entry.result.trainings]
    if not lacking or not journal.settings.trains:
        return 0
    known = known_accuracies(journal.storage, journal.settings)
    found = [entry for entry in lacking if entry.network.id in known]
    for entry in found:
        journal.record(entry, known[str(entry.network.id)])
    return len(found)


def adapt(pool: Pool, plan: SweepPlan, journal: Journal, entries: Sequence[Entry], progress: Progress) -> list[Entry]:
    """Train and adapt the entries of which data decide what is compiled; gives all entries but those that fail."""
    adapting = [entry for entry in entries if entry.network.adaptation is not None]
    train_networks(pool, plan, journal, adapting, progress, title="adapt")
    return [entry for entry in entries if entry.result.error is None]


def train_networks(
    pool: Pool, plan: SweepPlan, journal: Journal, entries: Sequence[Entry], progress: Progress, title: str = "train"
) -> None:
    """Train the entries that lack an accuracy, and finish the trials of those that have a latency one by one."""
    lacking = [entry for entry in entries if not entry.result.trainings]
    if not lacking:
        return
    by_number = {entry.number: entry for entry in lacking}
    arguments = (plan.dataset, plan.recipe, plan.request.device)
    tasks = [WorkerCall(entry.number, train_network, (job(plan, entry), *arguments)) for entry in lacking]
    outcomes = pool.run(tasks, plan.train_seconds)
    with closing(outcomes), progress.stage(title, len(lacking)) as advance:
        for outcome in outcomes:
            entry = by_number[outcome.number]
            if outcome.reason is None:
                journal.record(entry, outcome.result())
                if entry.result.latency is not None:
                    journal.complete(entry)
            else:
                journal.fail(entry, "train", outcome.reason, outcome.traceback)
            advance()
