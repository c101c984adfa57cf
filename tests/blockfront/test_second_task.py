"""A task that nothing here was written for goes all the way: the radius of a disc, from a file of the user's own."""

from __future__ import annotations

import json
import math

import optuna
import pandas as pd
import pytest

from blockfront import load
from blockfront.results import METRICS
from blockfront.results.trial import write_part
from blockfront.study.journal import Journal
from blockfront.study.settings import read_settings
from blockfront.study.storage import opened

pytestmark = [pytest.mark.processes, pytest.mark.long]

DISCS = """
import torch
from torch import nn

from blockfront.results import Metric, add_columns, mean_over_images, score_columns
from blockfront.tasks import TASKS, Task
from blockfront.training import Source, Tensors


class Regression(Task):
    name, title, tag, metrics = "regression", "one number an image", "r", ("mae",)
    postprocess = nn.Linear(1, 3)  # from pixels to something in three units

    def loss(self, outputs, targets, label_smoothing):
        return (outputs - targets).square().mean()

    def evaluator(self, outputs):
        return Errors()


class Errors:
    def __init__(self):
        self.errors = []

    def add(self, outputs, targets):
        self.errors += (outputs - targets).abs().mean(1).tolist()

    def scores(self):
        return {"mae": mean_over_images(self.errors)}


metric = Metric("mae", "mean absolute error", "px", "minimize", noun="error", short="error")
add_columns(*score_columns("pixels", "mean distance of outputs from the truth", metric))
TASKS.add("regression", Regression())


def opened(dataset):
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    generator = torch.Generator().manual_seed(0)
    radius = 2 + 5 * torch.rand(1408, generator=generator)
    centre = 7.5 + 2 * torch.rand(1408, 2, generator=generator) - 1
    from_centre = (rows - centre[:, :1, None]).square() + (columns - centre[:, 1:, None]).square()
    images = (from_centre < radius[:, None, None].square()).float().unsqueeze(1)
    beyond = radius - 4.5
    return Tensors(images[:1280], beyond[:1280]), Tensors(images[1280:], beyond[1280:])


discs = Source("discs", "Discs", "made here", opened, num_classes=1, resolution=16, task="regression", moves=False)
"""
MEAN_DEVIATION = 5 / 4
"""Of radii spread evenly over 5 pixels from their mean: the error of a network that looks at nothing."""


@pytest.fixture(scope="module")
def sampled(tmp_path_factory, commands_in):
    """A folder with one study of discs, and another of the same networks on another target."""
    folder = tmp_path_factory.mktemp("discs")
    (folder / "discs.py").write_text(DISCS)
    commands = commands_in(folder)
    for target in ("rk3399", "rpi3bplus"):
        options = ("--target", target, "--runner", "roofline", "--epochs", "4", "--resolution", "16", "--workers", "2")
        done = commands.run("sample", "--n", "3", "--space", "tiny.py:space", "--dataset", "discs.py:discs", *options)
        assert done.returncode == 0, done.stderr
        (folder / f"{target}.txt").write_text(done.stdout)
        (folder / "report.html").rename(folder / f"{target}.html")
    # What was kept must do: nobody who reads the studies need have the file.
    (folder / "discs.py").rename(folder / "elsewhere.txt")
    return commands


@pytest.fixture
def frame(sampled):
    return load("tiny-rk3399", sampled.storage)


def test_networks_name_the_task_and_learn_it(frame):
    assert (frame["state"] == "complete").all()
    assert frame["network"].str.startswith("cnn_16_r1/").all()
    assert (frame["mae"] < MEAN_DEVIATION).all()
    assert (frame["mae"] < 0.8 * MEAN_DEVIATION).any()
    assert ((frame["mae_ci95_low"] < frame["mae"]) & (frame["mae"] < frame["mae_ci95_high"])).all()
    assert frame["top1"].isna().all()
    assert (frame["test_images"] == 128).all()


def test_what_is_compiled_ends_with_the_post_processing(sampled, frame):
    assert (frame["max_rel_error"] <= 1e-4).all()
    said = sampled.run("show", frame["network_id"][0], "--study", "tiny-rk3399", "--json")
    (found,) = json.loads(said.stdout)
    assert found["mae"] == frame["mae"][0]
    assert found["macs"] == sum(kernel["macs"] for kernel in found["kernels"])
    assert any(kernel["macs"] == 3 for kernel in found["kernels"])


def test_the_summary_and_the_report_are_of_the_tasks_value(sampled, frame):
    said = (sampled.folder / "rk3399.txt").read_text()
    assert "front of error on discs.py:discs against latency" in said
    assert "error px" in said
    best = frame.sort_values("mae").iloc[0]
    assert best["network_id"] in said
    report = (sampled.folder / "rk3399.html").read_text()
    assert "<h1>Error against latency, by block family</h1>" in report
    assert "Down and to the left is better" in report
    assert "top-1" not in said


def test_a_search_is_told_to_make_it_small(sampled):
    with opened(sampled.storage) as storage:
        study = optuna.load_study(study_name="tiny-rk3399", storage=storage)
        assert [direction.name for direction in study.directions] == ["MINIMIZE", "MINIMIZE"]
        assert read_settings(study).objectives == ("latency_ms", "mae")
        told = {trial.number: trial.values for trial in study.get_trials()}
    rows = load("tiny-rk3399", sampled.storage).set_index("trial")
    assert told == {number: [rows["latency_ms"][number], rows["mae"][number]] for number in rows.index}


def test_reports_and_comparisons_need_no_more_than_the_storage(sampled, frame):
    said = sampled.run("report", "tiny-rk3399", "--cost", "macs", "-o", "again.html")
    assert said.returncode == 0, said.stderr
    assert "<h1>Error against MACs" in (sampled.folder / "again.html").read_text()
    said = sampled.run("compare", "tiny-rk3399", "tiny-rpi3bplus", "--json")
    assert said.returncode == 0, said.stderr
    document = json.loads(said.stdout)
    assert (document["metric"], document["value"]) == ("latency_ms", "mae")
    assert [pair["shared"] for pair in document["pairs"]] == [3]
    assert sampled.run("export", "tiny-rk3399", "discs.csv").returncode == 0
    assert pd.read_csv(sampled.folder / "discs.csv")["mae"].tolist() == frame["mae"].tolist()


def test_another_target_reuses_the_trainings(sampled, frame):
    other = load("tiny-rpi3bplus", sampled.storage)
    assert other[["network_id", "mae", "train_seconds"]].equals(frame[["network_id", "mae", "train_seconds"]])


def test_a_network_trained_with_several_seeds_is_their_mean(sampled, frame):
    """By hand: half the interval is √(a² + b²), with a = t(0.975, 1) · s / √2 over seeds and b the half over images."""
    with opened(sampled.storage) as storage:
        study = optuna.load_study(study_name="tiny-rk3399", storage=storage)
        settings = read_settings(study)
        first = study.get_trials()[0].user_attrs
        again = optuna.create_study(storage=storage, study_name="seeds", directions=["minimize", "minimize"])
        again.set_user_attr("settings", write_part(settings))
        journal = Journal(storage, again, settings)
        trial = again.ask()
        for part in ("network", "cost", "latency"):
            trial.set_user_attr(part, first[part])
        scores = [{"value": mae, "low": mae - 0.3, "high": mae + 0.3} for mae in (1.0, 1.2)]
        trainings = [{**first["trainings"][0], "seed": seed, "scores": {"mae": scores[seed]}} for seed in (0, 1)]
        trial.set_user_attr("trainings", trainings)
        (entry,) = journal.unfinished()
        journal.complete(entry)
        assert again.trials[0].values[1] == pytest.approx(1.1)
    row = load("seeds", sampled.storage).iloc[0]
    half = math.hypot(12.706 * 0.1, 0.3)
    assert (row["mae"], row["trainings"]) == (pytest.approx(1.1), 2)
    assert (row["mae_ci95_low"], row["mae_ci95_high"]) == pytest.approx((1.1 - half, 1.1 + half), rel=1e-4)


REFUSED = [
    (("--dataset", "discs.py:discs"), "space tiny is for classification, data set", "for regression; take two of one"),
    (("--value", "mae"), "classification gives no mae; take --value top1 or top5", ""),
    (("--cost", "top1"), "top1 is not to be minimized, so it is no cost", ""),
    (("--cost", "latency"), "unknown metric 'latency'; did you mean latency_ms?", ""),
    (("--no-train", "--value", "top1"), "--value top1 comes of training, and there is none", ""),
]


@pytest.mark.parametrize(("options", "first", "then"), REFUSED)
def test_what_cannot_be_weighed_is_refused_in_one_line(bench, tmp_path, options, first, then):
    (tmp_path / "discs.py").write_text(DISCS)
    space = tmp_path / "tiny.py"
    space.write_text(space.read_text().replace('"tiny",', '"tiny",\n    task="classification",'))
    digits = () if "--dataset" in options else ("--dataset", "digits")
    said = bench("sample", "--n", "1", "--target", "rk3399", "--space", "tiny.py:space", *options, *digits)
    assert said.code == 2
    assert said.errors.startswith("error: ")
    assert first in said.errors
    assert then in said.errors
    assert said.errors.count("\n") == 1
    assert not (tmp_path / "bench.db").exists()


def test_a_cost_that_the_runner_does_not_give_fails_the_network(bench):
    options = ("--target", "rk3399", "--space", "tiny.py:space", "--runner", "roofline", "--no-train", "--quiet")
    said = bench("sample", "--n", "1", "--cost", "energy_mj", *options)
    assert said.code == 1
    assert "profile: runner roofline gives no energy_mj, which is the study's cost" in said.errors
    again = bench("sample", "--n", "1", *options)
    assert again.code == 2
    assert "exists with objectives energy_mj, not latency_ms; name another with --study" in again.errors


def test_studies_weighed_by_different_costs_are_reported_by_the_one_that_is_said(bench):
    options = ("--target", "rk3399", "--space", "tiny.py:space", "--runner", "roofline", "--no-train", "--quiet")
    for cost in ("macs", "params"):
        said = bench("sample", "--n", "2", "--cost", cost, "--study", cost, *options)
        assert said.code == 0, said.errors
        assert f"networks, least {METRICS[cost].label} first" in said.output
    said = bench("report", "macs", "params")
    assert (said.code, said.errors) == (
        2,
        "error: these studies are weighed by macs and params; say by which with --cost\n",
    )
    assert bench("report", "macs", "params", "--cost", "macs").code == 0
