"""Trainings that end without the value a study compares, or in a crash: each costs its network, and says why."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest

from blockfront.console.progress import Silent
from blockfront.design_space import Network
from blockfront.results import Latency, Score, Training
from blockfront.study.journal import Draw, Journal, keep_settings
from blockfront.study.settings import Settings
from blockfront.study.storage import opened
from blockfront.sweep.accuracies import train_networks
from blockfront.sweep.plan import SweepPlan
from blockfront.sweep.pool import Outcome, reason
from blockfront.sweep.request import Request
from blockfront.sweep.stages import Trained
from blockfront.targets import Asked, choose, get_target
from blockfront.training import Recipe, get_dataset
from blockfront.training.scenes import write_scenes
from tests.blockfront.test_pruned_sweep import SPACE


class Here:
    """Stands in for a cluster: calls functions in this process."""

    def run(self, calls, limit_s):
        for call in calls:
            try:
                value = call.function(*call.arguments)
            except Exception as error:
                yield Outcome(call.number, None, reason(error))
            else:
                yield Outcome(call.number, SimpleNamespace(result=partial(lambda found: found, value)))


@pytest.fixture
def trained(tmp_path):
    """Trains two detectors of a study, and gives the states and errors of its rows."""
    write_scenes(tmp_path / "few", {"train": 2, "val": 4})
    data, recipe = get_dataset(f"coco:{tmp_path / 'few'}"), Recipe(epochs=1, batch_size=2)
    settings = Settings(
        *("small", SPACE.hash, {}, "rk3399", {}, "roofline", "tvm", "float32", 1, data.ref, "f", {}, "r", 0, "random"),
        task="detection",
        objectives=("latency_ms", "ap"),
    )

    def run(**changes):
        kept = replace(settings, **changes)
        request = Request(device="cpu", prune=kept.prune)
        means = choose(Asked(get_target("rk3399")), runner="roofline")
        plan = SweepPlan(request, "small", SPACE, data, recipe, means, kept, workers=1, devices=1)
        keeper = SimpleNamespace(wanted=False, keep_weights=lambda *_: None, tidy=lambda: None)
        with opened(f"sqlite:///{tmp_path / 'bench.db'}", create=True) as storage:
            study = optuna.create_study(study_name="small", storage=storage, directions=["minimize", "maximize"])
            keep_settings(study, kept)
            journal = Journal(storage, study, kept)
            entries = []
            for number, network in enumerate((SPACE.sample(0, 0), Network.parse(WIDER))):
                entries.append(journal.add(SPACE, Draw(number, {}, network)))
                latency = Latency("predicted", "roofline", "tvm", "rk3399", "model", 2, 1.0)
                journal.record(entries[-1], {"cost": network.cost, "latency": latency})
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                train_networks(Here(), plan, journal, entries, Silent(), keeper)
            return [(result.state, result.error) for result in journal.results()]

    return run


WIDER = str(SPACE.sample(0, 0)).replace("_c16", "_c24")


def scored(scores, job, *_):
    """A training to its end; the second network has an AP."""
    scores = {**scores, "ap": Score(0.2)} if job.network == WIDER else scores
    training = Training(scores, 4, (0.1,), "coco:few", "r", 1, "trained", 1.0, job.seed)
    return Trained({"trainings": (training,)}, None, Path("nowhere"))


@pytest.mark.parametrize("scores", [{}, {"ap50": Score(0.3)}, {"ap": Score(float("nan"))}])
def test_a_network_without_the_value_of_its_study_fails_and_says_which(trained, monkeypatch, scores):
    monkeypatch.setattr("blockfront.sweep.accuracies.train_network", partial(scored, scores))
    monkeypatch.setattr(SweepPlan, "boxes", None)
    assert trained() == [("failed", "values: it has no ap, which is what the study compares"), ("complete", None)]


def test_a_crash_in_the_search_for_anchors_fails_its_network_with_the_reason(trained, monkeypatch):
    def crash(*_):
        raise KeyError("slot")

    monkeypatch.setattr("blockfront.sweep.anchor_search._search", crash)
    assert trained(prune=0.02) == [("failed", "train: KeyError: 'slot'")] * 2
