"""Trials that somebody else adds to a study of ours through Optuna."""

from __future__ import annotations

import json
import shutil

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

import blockfront
from blockfront.design_space import DesignSpace, Stage, choice
from blockfront.errors import RunError
from blockfront.study.journal import Draw, Journal, taken
from blockfront.study.settings import Settings
from blockfront.study.storage import opened
from blockfront.study.trials import ForeignTrials
from blockfront.sweep.proposing import propose
from blockfront.sweep.samplers import SAMPLERS
from tests.blockfront.conftest import OPTIONS

PARAMETERS = {"params": {"theirs": 0.5}, "distributions": {"theirs": FloatDistribution(0, 1)}}


def _asked(study):
    study.ask().suggest_float("theirs", 0, 1)


def _told(study):
    study.tell(study.ask(), [1.0] * len(study.directions))


ADDED = {
    "complete": lambda study: study.add_trial(create_trial(values=[1.0] * len(study.directions))),
    "complete, with parameters": lambda study: study.add_trial(
        create_trial(values=[1.0] * len(study.directions), **PARAMETERS)
    ),
    "failed": lambda study: study.add_trial(create_trial(state=TrialState.FAIL)),
    "pruned": lambda study: study.add_trial(create_trial(state=TrialState.PRUNED, **PARAMETERS)),
    "running": lambda study: study.add_trial(create_trial(state=TrialState.RUNNING)),
    "waiting": lambda study: study.enqueue_trial({"theirs": 0.5}),
    "asked": _asked,
    "told": _told,
    "with a network of theirs": lambda study: study.add_trial(
        create_trial(values=[1.0] * len(study.directions), user_attrs={"network": "resnet", "trainings": 3})
    ),
}


def _attributes(study, number):
    trial = study.get_trials()[number]
    return trial.state, trial.params, trial.user_attrs, trial.values


@pytest.mark.parametrize("kind", ADDED)
@pytest.mark.long
def test_every_command_leaves_them_alone_and_says_so_in_one_line(kind, bench, finished, tmp_path):
    shutil.copy(finished.commands.folder / "bench.db", tmp_path)
    before = blockfront.load(finished.study)
    with opened("bench.db") as storage:
        study = optuna.load_study(study_name=finished.study, storage=storage)
        ADDED[kind](study)
        theirs = _attributes(study, finished.n)
    note = f"note: study '{finished.study}': 1 trial is left out"

    for command in (
        ("sample", "--n", str(finished.n), *OPTIONS, "--quiet"),
        ("report", finished.study),
        ("export", finished.study, "networks.csv"),
        ("show", before["network_id"][0]),
        ("studies", "--json"),
        ("compare", finished.study, finished.study + "2", "--json"),
    ):
        if command[0] == "compare":
            with opened("bench.db") as storage:
                optuna.copy_study(
                    from_study_name=finished.study,
                    from_storage=storage,
                    to_storage=storage,
                    to_study_name=command[2],
                )
            note = "note: study "
        said = bench(*command)
        assert said.code == 0, said.errors
        assert said.errors.count("trial is left out") == (2 if command[0] == "compare" else 1), said.errors
        assert note in said.errors
        if command[0] == "studies":
            (listed,) = json.loads(said.output)
            assert (listed["complete"], listed["failed"], listed["unfinished"]) == (finished.n, 0, 0)

    with pytest.warns(ForeignTrials, match="bench did not add them"):
        assert blockfront.load(finished.study).equals(before)
    with opened("bench.db") as storage:
        study = optuna.load_study(study_name=finished.study, storage=storage)
        assert _attributes(study, finished.n) == theirs
        assert len(taken(study)) == finished.n


def test_without_them_nothing_is_said(bench, finished, tmp_path):
    shutil.copy(finished.commands.folder / "bench.db", tmp_path)
    assert bench("export", finished.study, "networks.csv").errors == ""


SPACE = DesignSpace(
    "few",
    resolution=32,
    num_classes=10,
    stem=8,
    family="ds",
    stages=[Stage(depth=1, width=choice(8, 16, 24, 32, 40), stride=2)],
)


@pytest.fixture(params=SAMPLERS)
def journal(request, tmp_path):
    settings = Settings(
        "few", SPACE.hash, {}, "rk3399", {}, "roofline", "tvm", "float32", 2, None, None, None, None, 0, request.param
    )
    with opened(str(tmp_path / "bench.db"), create=True) as storage:
        sampler = SAMPLERS[request.param].make(0)
        yield Journal(storage, optuna.create_study(study_name="few", storage=storage, sampler=sampler), settings)


def _networks(journal):
    """Three more, as the study's sampler has them."""
    if SAMPLERS[journal.settings.sampler].generation is not None:
        return propose(journal, SPACE, 3)
    drawn = [Draw(index, *SPACE.sample_values(0, index)) for index in range(3)]
    return [journal.add(SPACE, draw) for draw in drawn]


@pytest.mark.parametrize("kind", ADDED)
def test_a_sampler_neither_takes_nor_finishes_them(kind, journal):
    ADDED[kind](journal.study)
    theirs = _attributes(journal.study, 0)
    entries = _networks(journal)
    assert [entry.number for entry in journal.unfinished()] == [entry.number for entry in entries]
    assert 0 not in [entry.number for entry in entries]
    assert _attributes(journal.study, 0) == theirs


def test_what_a_sampler_proposes_depends_on_ours_alone(journal, tmp_path):
    with opened(str(tmp_path / "other.db"), create=True) as storage:
        sampler = SAMPLERS[journal.settings.sampler].make(0)
        study = optuna.create_study(study_name="few", storage=storage, sampler=sampler)
        alone = Journal(storage, study, journal.settings)
        for add in ADDED.values():
            add(journal.study)
        assert [entry.network.id for entry in _networks(alone)] == [e.network.id for e in _networks(journal)]


def test_one_of_ours_that_was_killed_before_its_network_was_known_is_put_aside(journal):
    number = journal.ask().number
    assert journal.unfinished() == []
    trial = journal.study.get_trials()[number]
    assert (trial.state, trial.user_attrs["reason"]) == (TrialState.PRUNED, "interrupted")


def test_a_parameter_of_our_name_and_another_kind_is_told(journal):
    _networks(journal)
    (name,) = journal.study.get_trials()[0].params
    sampler = SAMPLERS[journal.settings.sampler].make(0)
    study = optuna.create_study(study_name="other", storage=journal.storage, sampler=sampler)
    study.add_trial(
        create_trial(value=1.0, params={name: "theirs"}, distributions={name: CategoricalDistribution(["theirs"])})
    )
    with pytest.raises(RunError, match=r"bench did not add.*--study"):
        _networks(Journal(journal.storage, study, journal.settings))
