"""The first stage: cost and latency of every network."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from blockfront.design_space.constraints import why_rejected
from blockfront.errors import DeviceLost, DeviceUnavailable, RunError
from blockfront.results.table import row_of
from blockfront.sweep.cluster import MEASURE
from blockfront.sweep.pool import Outcome, Pool, WorkerCall
from blockfront.sweep.quantizing import INT8
from blockfront.sweep.stages import Job, compile_network, finish, profile_network, visit

if TYPE_CHECKING:
    from distributed import Future

    from blockfront.console.progress import Progress
    from blockfront.study.journal import Entry, Journal
    from blockfront.sweep.plan import SweepPlan
    from blockfront.targets import Measures

TRIES = 3
"""Times a network is sent to a device before a device that goes away counts as the network's doing."""


def profile(pool: Pool, plan: SweepPlan, journal: Journal, entries: Sequence[Entry], progress: Progress) -> list[Entry]:
    """Profile the entries that lack a latency, keep each result at once; gives the entries that have their cost,
    and meet what their space asks of it.

    Raises RunError when there is no device any more; the entries without a latency stay as they are.
    """
    lacking = {entry.number: entry for entry in entries if entry.result.latency is None}
    if lacking:
        waiting, meter = list(lacking.values()), plan.means.measures
        outcomes = _predicted(pool, plan, waiting) if meter is None else _measured(pool, plan, waiting, meter, progress)
        with closing(outcomes), progress.stage("profile", len(lacking)) as advance:
            for outcome in outcomes:
                entry = lacking[outcome.number]
                if outcome.reason is None:
                    journal.record(entry, outcome.result())
                else:
                    journal.fail(entry, "profile", outcome.reason, outcome.traceback)
                advance()
    ready = []
    for entry in entries:
        if entry.result.latency is None:
            continue
        reason = journal.lacks_cost(entry)
        try:
            rejected = why_rejected(row_of(entry.result), plan.space.constraints)
        except RunError as error:
            rejected, reason = None, str(error)
        if reason is not None:
            journal.fail(entry, "profile", reason)
        elif rejected is not None:
            journal.reject(entry, rejected)
        else:
            ready.append(entry)
    return sorted(ready, key=lambda entry: entry.number)


def job(plan: SweepPlan, entry: Entry) -> Job:
    """The entry's network as a worker gets it."""
    adapted = entry.result.adaptations.get(entry.network.adaptation or "")
    quantized = entry.result.adaptations.get(INT8)
    return Job(
        network_id=str(entry.network.id),
        network=str(entry.network.text),
        files=plan.files,
        seed=plan.request.seed,
        threads=plan.threads_per_worker,
        artefact=None if adapted is None else adapted.artefact,
        quantize=plan.settings.quantize,
        quantization=None if quantized is None else quantized.artefact,
        prune=plan.settings.prune,
    )


def _predicted(pool: Pool, plan: SweepPlan, entries: Sequence[Entry]) -> Generator[Outcome, None, None]:
    tasks = [WorkerCall(entry.number, profile_network, (job(plan, entry), plan.means)) for entry in entries]
    return pool.run(tasks, plan.profile_seconds)


def _measured(
    pool: Pool, plan: SweepPlan, entries: Sequence[Entry], meter: Measures, progress: Progress
) -> Generator[Outcome, None, None]:
    """Compile a batch in parallel, then measure it."""
    from blockfront.targets.latency.rounds import BATCH

    for first in range(0, len(entries), BATCH):
        batch = entries[first : first + BATCH]
        compiled: dict[int, Future] = {}
        tasks = [WorkerCall(entry.number, compile_network, (job(plan, entry), plan.means)) for entry in batch]
        for outcome in pool.run(tasks, plan.profile_seconds):
            if outcome.future is None:
                yield outcome
            else:
                compiled[outcome.number] = outcome.future
        yield from _visit_all(pool, plan, compiled, meter, progress)


def _visit_all(
    pool: Pool, plan: SweepPlan, compiled: dict[int, Future], meter: Measures, progress: Progress
) -> Generator[Outcome, None, None]:
    from blockfront.targets.latency.rounds import Rounds

    rounds = Rounds(sorted(compiled), f"{plan.request.seed}:{sorted(compiled)}")

    def visiting(number: int) -> WorkerCall:
        return WorkerCall(number, visit, (compiled[number], meter, plan.means.options))

    def finishing(number: int) -> WorkerCall:
        return WorkerCall(number, finish, (compiled[number], meter, plan.means.options, rounds.visits[number]))

    for outcome in on_devices(pool, plan, compiled, visiting, rounds, progress):
        if outcome.reason is None:
            rounds.keep(outcome.number, outcome.result())
        elif rounds.give_up(outcome.number):
            yield outcome
    yield from on_devices(pool, plan, compiled, finishing, list(rounds.visits), progress)


def on_devices(
    pool: Pool,
    plan: SweepPlan,
    compiled: dict[int, Future],
    task: Callable[[int], WorkerCall],
    numbers: Iterable[int],
    progress: Progress,
) -> Generator[Outcome, None, None]:
    """Outcomes of networks' tasks on measured devices; one whose device goes gets another try, on whichever is free."""
    lost: Counter[int] = Counter()
    again: deque[int] = deque()
    first = iter(numbers)

    def tasks() -> Iterator[WorkerCall]:
        yield from map(task, first)
        while again:
            number = again.popleft()
            if lost[number] < TRIES:
                yield task(number)

    waiting: Iterator[WorkerCall] = tasks()
    while True:
        with closing(_run(pool, plan, compiled, waiting)) as outcomes:
            for outcome in outcomes:
                if isinstance(outcome.error, DeviceUnavailable):
                    raise RunError(f"{outcome.reason}; run the same command again to go on")
                if isinstance(outcome.error, DeviceLost):
                    lost[outcome.number] += 1
                    if lost[outcome.number] < TRIES:
                        again.append(outcome.number)
                        progress.note(f"{outcome.reason}; another try on the next device that is free")
                        continue
                    outcome = replace(outcome, reason=f"{outcome.reason}, {TRIES} times")
                yield outcome
        if not again:
            return
        waiting = tasks()


def _run(
    pool: Pool, plan: SweepPlan, compiled: dict[int, Future], tasks: Iterable[WorkerCall]
) -> Generator[Outcome, None, None]:
    """This machine measures alone, with nothing else running; boards need no quiet here, and all work at once."""
    if plan.quiet:
        for task in tasks:
            yield pool.run_alone(task, plan.profile_seconds, MEASURE, list(compiled.values()))
    else:
        yield from pool.run(tasks, plan.profile_seconds, MEASURE, plan.devices)
