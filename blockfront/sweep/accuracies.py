"""The second stage: accuracy of every network that has a latency, and before it of those that data adapt."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from blockfront.plurals import counted
from blockfront.study.journal import known_trainings, studies_training_alike
from blockfront.study.weights import kept_weights
from blockfront.sweep.anchor_search import add_pruned_trials
from blockfront.sweep.latencies import job
from blockfront.sweep.pool import Pool, WorkerCall
from blockfront.sweep.stages import FloatTraining, Trained, train_network

if TYPE_CHECKING:
    from pathlib import Path

    from blockfront.console.progress import Progress
    from blockfront.results import Training
    from blockfront.study.journal import Entry, Journal
    from blockfront.sweep.keeping import Keeper
    from blockfront.sweep.plan import SweepPlan


def reuse(journal: Journal, entries: Sequence[Entry]) -> int:
    """Give entries the trainings that the storage already holds of them; how many networks got some."""
    lacking = [entry for entry in entries if journal.missing_seeds(entry)]
    if not lacking or not journal.settings.trains:
        return 0
    known = known_trainings(journal.storage, journal.settings)
    served = 0
    for entry in lacking:
        own = known.get(str(entry.network.id), {})
        found = [own[seed] for seed in journal.missing_seeds(entry) if seed in own]
        if (_adapts(journal, entry) or journal.settings.prune is not None) and not entry.result.adaptations:
            # What the first seed found is what is compiled, and what is left without some anchors.
            found = found if found and found[0].seed == journal.settings.seed and found[0].adaptations else []
        if not found:
            continue
        parts: dict[str, Any] = {"accuracy_from": ", ".join(sorted({one.study for one in found}))}
        if found[0].adaptations:
            parts["adaptations"] = found[0].adaptations
        if found[0].candidates is not None and found[0].seed == journal.settings.seed:
            parts["candidates"] = found[0].candidates
        journal.record(entry, {**parts, "trainings": _together(entry, *(one.training for one in found))})
        served += 1
    return served


def adapt(
    pool: Pool, plan: SweepPlan, journal: Journal, entries: Sequence[Entry], progress: Progress, keeper: Keeper
) -> list[Entry]:
    """Train and adapt the entries of which data decide what is compiled; gives all entries but those that fail."""
    adapting = [entry for entry in entries if _adapts(journal, entry)]
    calls = _lacking(journal, adapting, [journal.settings.seed])
    _train(pool, plan, journal, calls, progress, keeper, "adapt")
    return [entry for entry in entries if entry.result.error is None]


def train_networks(
    pool: Pool, plan: SweepPlan, journal: Journal, entries: Sequence[Entry], progress: Progress, keeper: Keeper
) -> None:
    """Train the entries with the seeds they lack, all with one before any with the next, and finish their trials."""
    calls = _lacking(journal, entries, journal.settings.training_seeds)
    _train(pool, plan, journal, calls, progress, keeper, "train")


def train_until(
    pool: Pool,
    plan: SweepPlan,
    journal: Journal,
    goals: Sequence[tuple[Entry, int]],
    progress: Progress,
    keeper: Keeper,
) -> None:
    """Train each entry with the first seed until its epoch, if it has not come so far; after the last it is trained."""
    seed, epochs = journal.settings.seed, plan.recipe.epochs if plan.recipe else 0
    calls = [
        _Call(entry, seed, None if epoch == epochs else epoch)
        for entry, epoch in goals
        if entry.result.begun is None or entry.result.begun.epochs < epoch
    ]
    last = min((call.until or epochs for call in calls), default=epochs)
    _train(pool, plan, journal, calls, progress, keeper, "train" if last == epochs else f"train to epoch {last}")


@dataclass(frozen=True)
class _Call:
    """A training with a seed, until an epoch or to the end."""

    entry: Entry
    seed: int
    until: int | None = None

    @property
    def key(self) -> tuple[str, int]:
        return str(self.entry.network.id), self.seed


def _lacking(journal: Journal, entries: Sequence[Entry], seeds: Sequence[int]) -> list[_Call]:
    return [_Call(entry, seed) for seed in seeds for entry in entries if seed in journal.missing_seeds(entry)]


def _train(
    pool: Pool,
    plan: SweepPlan,
    journal: Journal,
    wanted: Sequence[_Call],
    progress: Progress,
    keeper: Keeper,
    title: str,
) -> None:
    by_number = {call.entry.number: call for call in wanted}
    if not wanted:
        return
    arguments = (plan.dataset, plan.recipe, plan.request.device, keeper.wanted)
    done = _float_trainings(plan, journal, wanted)
    if done:
        studies = ", ".join(sorted({one.study for one in done.values()}))
        progress.note(
            f"done in float32, with weights kept: {len(done)} of {counted(len(wanted), 'training')}, in {studies}"
        )
    calls = (
        WorkerCall(
            call.entry.number,
            train_network,
            (
                replace(job(plan, call.entry), seed=call.seed),
                *arguments,
                # What is timed is of the weights that are deployed, which are the first seed's.
                plan.boxes if call.seed == journal.settings.seed else None,
                call.until,
                done[call.key].read() if call.key in done else None,
            ),
        )
        for call in wanted
    )
    with closing(pool.run(calls, plan.train_seconds)) as outcomes, progress.stage(title, len(wanted)) as advance:
        for outcome in outcomes:
            call = by_number[outcome.number]
            entry = call.entry
            if entry.result.error is not None:
                pass  # With another seed it failed already.
            elif outcome.reason is None:
                trained = outcome.result()
                if call.until is None:
                    _keep(plan, journal, keeper, entry, trained)
                else:
                    (begun,) = trained.parts["trainings"]
                    journal.record(entry, {"begun": begun})
            else:
                journal.fail(entry, "train", outcome.reason, outcome.traceback)
            advance()


@dataclass(frozen=True)
class _Kept:
    """A training in float32 whose weights are in a file of a study's."""

    study: str
    training: Training
    path: Path

    def read(self) -> FloatTraining:
        return FloatTraining(self.training, self.path.read_bytes(), str(self.path))


def _float_trainings(plan: SweepPlan, journal: Journal, wanted: Sequence[_Call]) -> dict[tuple[str, int], _Kept]:
    """Of trainings for int8 those that the storage already holds in float32, with weights beside it.

    What data adapt is left out: its weights say nothing of the adaptation.
    """
    if journal.settings.quantize is None:
        return {}
    settings = replace(journal.settings, precision="float32", quantize=None)
    alike, known = studies_training_alike(journal.storage, settings), known_trainings(journal.storage, settings)
    files = {(one.network_id, one.seed): one for one in kept_weights(plan.request.storage) if one.study in alike}
    return {
        call.key: _Kept(files[call.key].study, known[call.key[0]][call.seed].training, files[call.key].path)
        for call in wanted
        if call.entry.network.adaptation is None and call.key in files and call.seed in known.get(call.key[0], {})
    }


def _adapts(journal: Journal, entry: Entry) -> bool:
    """Whether data decide after training what of a network is compiled."""
    return entry.network.adaptation is not None or journal.settings.quantize is not None


def _keep(plan: SweepPlan, journal: Journal, keeper: Keeper, entry: Entry, trained: Trained) -> None:
    (training,) = trained.parts["trainings"]
    keeper.keep_weights(str(entry.network.id), training.seed, trained.weights)
    for one in trained.leftovers:
        keeper.keep_weights(one.network_id, training.seed, one.weights)
    # Before the detector counts as trained, so that none is lost if this process ends here.
    add_pruned_trials(journal, entry, trained.parts, trained.leftovers)
    parts = {**trained.parts, "trainings": _together(entry, training)}
    if training.seed != journal.settings.seed:
        # What the first seed found is what is compiled.
        parts.pop("adaptations", None)
    journal.record(entry, parts)
    trained.checkpoint.unlink(missing_ok=True)
    if entry.result.latency is not None and not journal.missing_seeds(entry) and not plan.lacks_boxes(entry.result):
        journal.complete(entry)
        keeper.tidy()


def _together(entry: Entry, *trainings: Any) -> tuple[Any, ...]:
    """All trainings of a network, by their seeds."""
    return tuple(sorted((*entry.result.trainings, *trainings), key=lambda training: training.seed))
