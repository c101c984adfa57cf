"""The last stage of detectors: post-processing of those that training left without a time of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from blockfront.sweep.latencies import job, on_devices
from blockfront.sweep.pool import Pool, WorkerCall
from blockfront.sweep.stages import postprocess_network

if TYPE_CHECKING:
    from blockfront.console.progress import Progress
    from blockfront.study.journal import Entry, Journal
    from blockfront.sweep.keeping import Keeper
    from blockfront.sweep.plan import SweepPlan


def time_boxes(
    pool: Pool, plan: SweepPlan, journal: Journal, entries: Sequence[Entry], progress: Progress, keeper: Keeper
) -> None:
    """Time what follows detectors, and finish their trials.

    Where networks are measured nothing is timed while others train; trainings that were taken over have candidates and
    no time.
    """
    lacking = {
        entry.number: entry for entry in entries if plan.lacks_boxes(entry.result) and is_trained(journal, entry)
    }
    if not lacking:
        return

    def task(number: int) -> WorkerCall:
        entry = lacking[number]
        return WorkerCall(number, postprocess_network, (job(plan, entry), entry.result.candidates, plan.boxes))

    if plan.means.measures is None:
        outcomes = pool.run(map(task, lacking), plan.profile_seconds)
    else:
        outcomes = on_devices(pool, plan, {}, task, lacking, progress)
    with closing(outcomes), progress.stage("boxes", len(lacking)) as advance:
        for outcome in outcomes:
            entry = lacking[outcome.number]
            if outcome.reason is None:
                journal.record(entry, outcome.result())
                journal.complete(entry)
                keeper.tidy()
            else:
                journal.fail(entry, "boxes", outcome.reason, outcome.traceback)
            advance()


def is_trained(journal: Journal, entry: Entry) -> bool:
    """Whether a network has its latency and all its trainings."""
    result = entry.result
    ended = result.error or result.rejected or result.stopped
    return result.latency is not None and not ended and not journal.missing_seeds(entry)
