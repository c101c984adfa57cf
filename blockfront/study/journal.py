"""Everything the orchestrator writes into a study, each step in one transaction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from blockfront.results import METRICS, NetworkFacts, Result, Stopped, Training
from blockfront.results.postprocess import BoxCandidates
from blockfront.results.table import row_of
from blockfront.results.trial import read_parts, read_result, write_part
from blockfront.study.settings import Settings, current, origin_of, read_settings
from blockfront.study.sqlite_file import checkpoint
from blockfront.study.trials import PROPOSED, OwnTrials, is_derived, is_own, network_trials, no_other_kind

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.study import Study
    from optuna.trial import Trial

    from blockfront.design_space import Network, Space


@dataclass(frozen=True)
class Draw:
    """The network of one sample index, the dimension values it came from, and its skeleton where it has others' too."""

    index: int
    values: Mapping[str, Any]
    network: Network
    skeleton: int | None = None


@dataclass
class Entry:
    """One trial in work: its number, its network, and what is known of it so far."""

    number: int
    network: NetworkFacts
    result: Result


class Journal:
    """A study as the one process that writes it sees it.

    Results go into a running trial the moment they exist; the trial is told its values when it has them all.
    A process killed between two writes leaves a study from which `unfinished` goes on.
    """

    def __init__(self, storage: RDBStorage, study: Study, settings: Settings) -> None:
        self.storage = storage
        self.study = study
        self.settings = settings
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._origin = origin_of(study.study_name, settings)

    def add(self, space: Space, draw: Draw) -> Entry:
        """A running trial for a drawn network."""
        from optuna.trial import FixedTrial, TrialState, create_trial

        fixed = FixedTrial(dict(draw.values))
        if draw.values:
            space.suggest(fixed)
        network = facts_of(draw.network)
        attrs = {"index": draw.index, "network": write_part(network)}
        trial = create_trial(
            state=TrialState.RUNNING,
            params=fixed.params,
            distributions=fixed.distributions,
            user_attrs=attrs if draw.skeleton is None else {**attrs, "skeleton": draw.skeleton},
        )
        with no_other_kind(self.study.study_name):
            trial_id = self.storage.create_new_trial(self._study_id, trial)
        return self._entry(self.storage.get_trial(trial_id).number, network, draw.skeleton)

    def ask(self) -> Trial:
        """A running trial for which the study's sampler proposes parameters, knowing this suite's trials alone.

        Optuna's own `ask` would take a trial that somebody else put in the queue.
        """
        from optuna.trial import Trial, TrialState, create_trial

        template = create_trial(state=TrialState.RUNNING, user_attrs={PROPOSED: True})
        trial_id = self.storage.create_new_trial(self._study_id, template)
        return Trial(OwnTrials(self.study.study_name, self.storage, self.study.sampler), trial_id)

    def adopt(self, number: int, network: Network) -> Entry:
        """Take a trial that a sampler proposed, now that its network is known."""
        entry = self._entry(number, facts_of(network))
        self._write(number, "network", entry.network)
        return entry

    def add_pruned(self, parent: Entry, network: Network, parts: Mapping[str, Any]) -> None:
        """A running trial for what is left of a network without some of its anchors, with what is known of it.

        It shares the skeleton, and was not drawn. Nothing happens where the study has it.
        """
        from optuna.trial import TrialState, create_trial

        facts = replace(facts_of(network), family=f"{network.family}, pruned", parent=parent.network.id)
        for trial in network_trials(self.study):
            own = trial.user_attrs["network"]
            if (own["id"], own.get("parent")) == (facts.id, facts.parent):
                return
        attrs = {name: write_part(part) for name, part in {"network": facts, **parts}.items() if part is not None}
        if parent.result.skeleton is not None:
            attrs["skeleton"] = parent.result.skeleton
        self.storage.create_new_trial(self._study_id, create_trial(state=TrialState.RUNNING, user_attrs=attrs))
        checkpoint(self.storage)

    def _entry(self, number: int, network: NetworkFacts, skeleton: int | None = None) -> Entry:
        return Entry(number, network, Result(self._origin, "running", number, network=network, skeleton=skeleton))

    def record(self, entry: Entry, parts: Mapping[str, Any]) -> None:
        """Keep what a stage found: parts of a `Result` by name, in this order; an SQLite file has it at once."""
        for name, part in parts.items():
            self._write(entry.number, name, part)
        entry.result = replace(entry.result, **parts)
        checkpoint(self.storage)

    def complete(self, entry: Entry) -> None:
        """Tell the trial its values, those of the study's objectives, or that it failed where it lacks one."""
        row = row_of(entry.result)
        values = {name: row[name] for name in self.settings.objectives}
        lacking = [name for name, value in values.items() if value is None or math.isnan(value)]
        if lacking:
            self.fail(entry, "values", f"it has no {' and no '.join(lacking)}, which is what the study compares")
            return
        self.study.tell(entry.number, list(values.values()))
        checkpoint(self.storage)

    def lacks_cost(self, entry: Entry) -> str | None:
        """Why a network that was profiled cannot be weighed, in one line; None where it can."""
        cost = self.settings.objectives[0]
        if row_of(entry.result)[cost] is not None:
            return None
        known = METRICS[cost].depends_on == ""
        lacking = f"networks of {self.settings.space} have" if known else f"runner {self.settings.runner} gives"
        return f"{lacking} no {cost}, which is the study's cost; take another with --cost"

    def fail(self, entry: Entry, stage: str, reason: str, traceback: str | None = None) -> None:
        """Tell the trial that it failed, with the stage and the reason in one line."""
        if traceback is not None:
            self._write(entry.number, "traceback", traceback)
        self._end(entry, "error", f"{stage}: {reason}")

    def reject(self, entry: Entry, reason: str) -> None:
        """Tell the trial that its network is none for the space, now that it is profiled: it counts as drawn."""
        self._end(entry, "rejected", reason)

    def stop(self, entry: Entry, stopped: Stopped) -> None:
        """Tell the trial that its network's training has ended early: it counts as drawn, and has no value."""
        self._end(entry, "stopped", stopped)

    def _end(self, entry: Entry, name: str, why: Any) -> None:
        """Tell the trial that it gives no values, after the part of its result that says why, unless that is there."""
        from optuna.trial import TrialState

        if getattr(entry.result, name) is None:
            self.record(entry, {name: why})
        self.study.tell(entry.number, state=TrialState.FAIL)
        checkpoint(self.storage)

    def prune(self, number: int, reason: str) -> None:
        """Put aside a proposal of a sampler that is no network of this study."""
        from optuna.trial import TrialState

        self._write(number, "reason", reason)
        self.study.tell(number, state=TrialState.PRUNED)

    def unfinished(self) -> list[Entry]:
        """Trials that an earlier run left in work, with the results they have.

        One killed before its network was known is put aside; one killed while failing, being rejected or stopped is
        told so now; other people's are left alone.
        """
        from optuna.trial import TrialState

        left: list[Entry] = []
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if not is_own(trial):
                continue
            if "network" not in trial.user_attrs:
                self.prune(trial.number, "interrupted")
                continue
            result = read_result(self._origin, trial)
            assert result.network is not None
            entry = Entry(trial.number, result.network, result)
            if result.error is not None:
                self.fail(entry, "", "")
            elif result.rejected is not None:
                self.reject(entry, result.rejected)
            elif result.stopped is not None:
                self.stop(entry, result.stopped)
            else:
                left.append(entry)
        return left

    def taken(self) -> dict[str, int]:
        """Network id to sample index, of every network the study holds."""
        return taken(self.study)

    def missing_seeds(self, entry: Entry) -> list[int]:
        """The seeds with which a network of this study is still to be trained."""
        done = {training.seed for training in entry.result.trainings}
        return [seed for seed in self.settings.training_seeds if seed not in done]

    def results(self) -> list[Result]:
        """What is known of every network of the study."""
        return [read_result(self._origin, trial) for trial in network_trials(self.study)]

    def _write(self, number: int, key: str, value: Any) -> None:
        trial_id = self.storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        self.storage.set_trial_user_attr(trial_id, key, write_part(value))


def facts_of(network: Network) -> NetworkFacts:
    """A network as a trial keeps it."""
    adaptation = None if network.adaptation is None else network.adaptation.name
    own = {name: getattr(network, name, None) for name in ("boxes", "answer")}
    return NetworkFacts(
        network.id, str(network), network.family, network.signature.resolution, adaptation=adaptation, **own
    )


def taken(study: Study) -> dict[str, int]:
    """Network id to sample index (the trial's number where a sampler chose), of every network drawn for a study."""
    return {
        trial.user_attrs["network"]["id"]: trial.user_attrs.get("index", trial.number)
        for trial in network_trials(study)
        if not is_derived(trial)
    }


TRAINED = ("adaptations", "candidates", "trainings")
"""Parts that training finds, in the order they are written: what has trainings is trained."""


@dataclass(frozen=True)
class KnownTraining:
    """A training that a storage holds, the study it is in, what data decided after it, and what its detector found."""

    study: str
    training: Training
    adaptations: Mapping[str, Any]
    candidates: BoxCandidates | None

    @property
    def seed(self) -> int:
        """That of its weights and of the order of its images."""
        return self.training.seed


def known_trainings(storage: RDBStorage, settings: Settings) -> dict[str, dict[int, KnownTraining]]:
    """Network id and seed to every training in the storage that would be repeated."""
    import optuna

    known: dict[str, dict[int, KnownTraining]] = {}
    for name in studies_training_alike(storage, settings):
        study = optuna.load_study(study_name=name, storage=storage)
        for trial in network_trials(study):
            if is_derived(trial):
                continue
            found = read_parts(trial.user_attrs, *TRAINED)
            own = known.setdefault(trial.user_attrs["network"]["id"], {})
            for place, training in enumerate(found.get("trainings", ())):
                # The adaptation is that of the first, and so are candidates.
                adaptations = found.get("adaptations", {}) if place == 0 else {}
                candidates = found.get("candidates") if place == 0 else None
                own.setdefault(training.seed, KnownTraining(name, training, adaptations, candidates))
    return known


def studies_training_alike(storage: RDBStorage, settings: Settings) -> list[str]:
    """The studies whose trainings are those of a study with these settings."""

    def training(kept: Mapping[str, Any]) -> tuple[Any, ...]:
        alike = ("dataset", "dataset_fingerprint", "recipe_hash", "precision", "quantize", "prune")
        return tuple(current(kept).get(key) for key in alike)

    asked = training(msgspec.to_builtins(settings))
    return [
        study.study_name
        for study in storage.get_all_studies()
        if "settings" in study.user_attrs and training(study.user_attrs["settings"]) == asked
    ]


def keep_settings(study: Study, settings: Settings) -> None:
    """Write the settings of a new study, or check those of an old one."""
    from blockfront.study.settings import KEY, require_same

    if KEY in study.user_attrs:
        require_same(study.study_name, read_settings(study), settings)
    else:
        study.set_user_attr(KEY, msgspec.to_builtins(settings))
