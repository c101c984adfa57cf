"""A sweep from a checked plan to a finished study: the one process that holds the study runs this."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blockfront.design_space import ListedSpace
from blockfront.errors import UsageError
from blockfront.results import METRICS
from blockfront.study import claim
from blockfront.study.journal import Draw, Entry, Journal, keep_settings, taken
from blockfront.study.provenance import describe_run
from blockfront.study.settings import KEY, code_of_others, read_settings, require_same
from blockfront.study.sqlite_file import checkpoint
from blockfront.study.storage import open_storage, opened, study_names
from blockfront.sweep.accuracies import adapt, reuse, train_networks
from blockfront.sweep.anchor_search import add_pruned_trials
from blockfront.sweep.cluster import embedded_cluster, existing_cluster
from blockfront.sweep.drawing import draw_missing, draw_networks
from blockfront.sweep.early_stopping import train_within_budget
from blockfront.sweep.keeping import Keeper
from blockfront.sweep.latencies import profile
from blockfront.sweep.pool import Pool
from blockfront.sweep.proposing import propose
from blockfront.sweep.samplers import SAMPLERS
from blockfront.sweep.shipped import TABLE, quote_latencies
from blockfront.sweep.timing_boxes import time_boxes

if TYPE_CHECKING:
    from distributed import Client
    from optuna.storages import RDBStorage
    from optuna.study import Study

    from blockfront.console.progress import Progress
    from blockfront.sweep.plan import SweepPlan


@dataclass(frozen=True)
class Done:
    """What a run of a study did: how many networks it worked on, how many accuracies it reused, how many latencies are
    from the table that comes with the package."""

    study: str
    worked_on: int
    reused: int
    quoted: int


def run_sweep(
    plan: SweepPlan,
    progress: Progress,
    *,
    debug: bool = False,
    table: Path | None = TABLE,
) -> Done:
    """Bring the plan's study to `n` finished networks, or to all that are listed, going on from what it holds.

    Latencies of listed networks are taken from `table` where it has them as they would come out today.
    Raises UsageError, with nothing written, when the study is of something else, is being run by another
    process, or the space cannot give `n` networks; RunError when the storage or the cluster fails.
    """
    draws = _draw_missing(plan)
    if plan.request.scheduler:
        with existing_cluster(plan.request.scheduler, measures=plan.exclusive):
            pass
    with opened(plan.request.storage, create=True) as storage:
        study = _open_study(storage, plan)
        with claim.hold(storage, plan.study):
            keep_settings(study, plan.settings)
            _add_run(study)
            checkpoint(storage)
            return _Sweep(plan, Journal(storage, study, plan.settings), progress, debug).run(draws, table)


class _Sweep:
    def __init__(self, plan: SweepPlan, journal: Journal, progress: Progress, debug: bool) -> None:
        self.plan = plan
        self.journal = journal
        self.progress = progress
        self.debug = debug
        self.keeper = Keeper(journal, plan.request.storage, plan.request.keep)
        self.worked_on = 0
        self.reused = 0

    def run(self, draws: Sequence[Draw], table: Path | None) -> Done:
        for line in self.plan.notes:
            self.progress.note(line)
        left, taken = self.journal.unfinished(), self.journal.taken()
        # Another process may have added some since they were drawn.
        draws = [draw for draw in draws if draw.network.id not in taken]
        generation = SAMPLERS[self.plan.settings.sampler].generation
        missing = 0 if generation is None else max(0, self.plan.request.n - len(taken))
        entries = [*left, *(self.journal.add(self.plan.space, draw) for draw in draws)]
        asked = len(entries)
        if table is not None and isinstance(self.plan.space, ListedSpace) and not self.plan.settings.trains:
            entries = quote_latencies(self.plan.means, self.journal, entries, table)
        quoted = asked - len(entries)
        if entries or missing:
            kept = read_settings(self.journal.study)
            for told in (self.plan.means.notice, code_of_others(self.plan.study, kept, self.plan.settings)):
                if told:
                    self.progress.note(told)
            if self.plan.dataset:
                for line in self.plan.dataset.summary():
                    self.progress.note(line)
            with self._pool() as pool:
                self._finish(pool, entries)
                while missing > 0:
                    count = min(generation or missing, missing)
                    self._finish(pool, propose(self.journal, self.plan.space, count))
                    missing -= count
            if self.journal.settings.trains:
                self.keeper.tidy(last=True)
        return Done(self.plan.study, self.worked_on, self.reused, quoted)

    def _finish(self, pool: Pool, entries: list[Entry]) -> None:
        """Do the stages that the entries lack, and tell their trials.

        All are profiled before any is trained, but for those that training gives the counts to compile, and for what a
        search leaves of trained detectors.
        """
        self.worked_on += len(entries)
        self.reused += reuse(self.journal, entries)
        for entry in entries:
            add_pruned_trials(self.journal, entry, vars(entry.result))
        if self.journal.settings.trains:
            entries = adapt(pool, self.plan, self.journal, entries, self.progress, self.keeper)
        profiled = profile(pool, self.plan, self.journal, entries, self.progress)
        for entry in profiled:
            done = not self.journal.settings.trains or not self.journal.missing_seeds(entry)
            if done and not self.plan.lacks_boxes(entry.result):
                self.journal.complete(entry)
        if self.journal.settings.trains:
            stage = train_networks if self.journal.settings.budget is None else train_within_budget
            stage(pool, self.plan, self.journal, profiled, self.progress, self.keeper)
            time_boxes(pool, self.plan, self.journal, profiled, self.progress, self.keeper)
        if self.journal.settings.prune is not None:
            pruned = [entry for entry in self.journal.unfinished() if entry.network.parent is not None]
            self.worked_on += len(pruned)
            pruned = profile(pool, self.plan, self.journal, pruned, self.progress)
            for entry in pruned:
                if not self.plan.lacks_boxes(entry.result):
                    self.journal.complete(entry)
            time_boxes(pool, self.plan, self.journal, pruned, self.progress, self.keeper)

    @contextmanager
    def _pool(self) -> Iterator[Pool]:
        with self._client() as client:
            slots = self.plan.workers
            if self.plan.request.scheduler:
                slots = sum(client.nthreads().values())
            yield Pool(client, slots)

    def _client(self) -> AbstractContextManager[Client]:
        if self.plan.request.scheduler:
            return existing_cluster(self.plan.request.scheduler, measures=self.plan.exclusive, debug=self.debug)
        # A visit to a board keeps a worker waiting and its core idle: there may be more boards than cores.
        return embedded_cluster(
            max(self.plan.workers, self.plan.devices),
            self.plan.threads_per_worker,
            tvm_threads=self.plan.tvm_threads,
            debug=self.debug,
        )


def _draw_missing(plan: SweepPlan) -> list[Draw]:
    """The networks that a study still lacks if it draws them, drawn before anything is written; checks its settings."""
    known: dict[str, int] = {}
    study = _existing_study(plan)
    if study is not None:
        require_same(plan.study, read_settings(study), plan.settings)
        known = taken(study)
    if SAMPLERS[plan.settings.sampler].generation is not None:
        next(draw_networks(plan.space, plan.request.seed, known))
        return []
    return draw_missing(plan.space, plan.request.seed, plan.request.n, known, paired=plan.settings.paired)


def _existing_study(plan: SweepPlan) -> Study | None:
    """The plan's study if the storage has it with settings; opens nothing into being."""
    import optuna

    from blockfront.study.storage import storage_exists

    if not storage_exists(plan.request.storage):
        return None
    storage = open_storage(plan.request.storage)
    if plan.study not in study_names(storage):
        return None
    study = optuna.load_study(study_name=plan.study, storage=storage)
    return study if KEY in study.user_attrs or study.get_trials(deepcopy=False) else None


def _open_study(storage: RDBStorage, plan: SweepPlan) -> Study:
    import optuna

    directions = [METRICS[name].direction for name in plan.settings.objectives]
    study = optuna.create_study(
        study_name=plan.study,
        storage=storage,
        directions=directions,
        sampler=SAMPLERS[plan.settings.sampler].make(plan.request.seed),
        load_if_exists=True,
    )
    if [direction.name.lower() for direction in study.directions] != directions:
        raise UsageError(f"study {plan.study!r} has other objectives; name another with --study")
    return study


def _add_run(study: Study) -> None:
    study.set_user_attr("runs", [*study.user_attrs.get("runs", []), describe_run()])
