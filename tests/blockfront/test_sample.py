"""`bench sample` from end to end, with the real parts on a tiny space."""

from __future__ import annotations

import json
import shutil

import pytest

import blockfront
from blockfront.results import COLUMNS
from blockfront.sweep.drawing import draw_networks


def test_a_sweep_finishes_the_number_of_networks_asked_for(finished):
    frame = blockfront.load(finished.study, finished.commands.storage)
    assert len(frame) == finished.n
    assert (frame["state"] == "complete").all()
    assert frame["network_id"].is_unique
    assert frame[["latency_ms", "top1", "macs", "params", "activations"]].notna().all().all()
    assert (frame["latency_source"] == "predicted").all()
    assert (frame["max_rel_error"] <= 1e-4).all()
    assert (frame["unscheduled_kernels"] == 0).all()


def test_networks_are_those_that_the_space_samples(finished, monkeypatch):
    from blockfront.design_space import load_space

    monkeypatch.chdir(finished.commands.folder)
    space = load_space("tiny.py:space")
    drawn = draw_networks(space, 0, {})
    frame = blockfront.load(finished.study, finished.commands.storage)
    assert [next(drawn).network.id for _ in range(finished.n)] == list(frame["network_id"])


def test_the_summary_names_the_source_of_latencies_and_where_things_are(finished):
    output = finished.printed.stdout
    assert "latency ms (predicted, roofline)" in output
    assert "3 networks, 3 complete" in output
    assert "report.html" in output
    assert "tiny-rk3399 in sqlite:///bench.db" in output
    frame = blockfront.load(finished.study, finished.commands.storage)
    best = frame.sort_values("top1").iloc[-1]
    assert best["network_id"] in output


def test_the_report_holds_every_network(finished):
    report = (finished.commands.folder / "report.html").read_text()
    for network_id in blockfront.load(finished.study, finished.commands.storage)["network_id"]:
        assert network_id in report


def test_progress_goes_to_standard_error(finished):
    assert "profile: 3 of 3" in finished.printed.stderr
    assert "train: 3 of 3" in finished.printed.stderr
    assert "to do" not in finished.printed.stdout


def test_what_the_data_set_holds_is_said_before_anything_is_trained(finished):
    said = finished.printed.stderr.splitlines()
    assert said[0] == "digits: 10 classes, 1347 training and 450 test images"
    assert said[1].startswith("training + test images a class: 0: 134 + 44, 1: 136 + 46")


@pytest.mark.long
def test_a_finished_study_is_left_as_it_is_and_prints_json(finished):
    before = blockfront.load(finished.study, finished.commands.storage)
    again = finished.commands.sample(finished.n, "--json", "--quiet")
    assert again.returncode == 0
    assert again.stderr == ""
    document = json.loads(again.stdout)
    assert document["study"] == finished.study
    assert document["failures"] == {}
    assert [tuple(network) for network in document["networks"]] == [tuple(COLUMNS)] * finished.n
    assert document["networks"][0]["latency_ci95_low_ms"] is None
    assert "NaN" not in again.stdout
    assert blockfront.load(finished.study, finished.commands.storage).equals(before)


def test_a_larger_n_extends_a_study_and_another_study_reuses_its_accuracies(finished, commands):
    shutil.copy(finished.commands.folder / "bench.db", commands.folder / "bench.db")
    before = blockfront.load(finished.study, commands.storage)

    assert commands.sample(finished.n + 1, "--quiet").returncode == 0
    extended = blockfront.load(finished.study, commands.storage)
    assert len(extended) == finished.n + 1
    assert extended.head(finished.n).equals(before)

    other = commands.sample(2, "--threads", "1", "--study", "one-thread")
    assert other.returncode == 0
    assert "train:" not in other.stderr
    reused = blockfront.load("one-thread", commands.storage)
    assert list(reused["train_seconds"]) == list(before["train_seconds"].head(2))
    assert (reused["threads"] == 1).all()


def test_the_study_keeps_what_a_reader_needs_to_repeat_it(finished):
    from blockfront.study.storage import load_provenance

    kept = load_provenance([finished.study], finished.commands.storage)[finished.study]
    run, settings = kept["runs"][0], kept["settings"]
    assert run["command"].startswith("bench sample --n 3 --target rk3399")
    assert {"python", "torch", "apache-tvm", "optuna", "timm"} <= set(run["versions"])
    assert run["machine"]["cores"] >= 1
    assert settings["space_definition"]["stages"][0]["width"] == {"choice": [8, 16, 24, 32]}
    assert settings["seed"] == 0
    assert settings["recipe"]["epochs"] == 1
    assert settings["target"] == "rk3399"
    assert settings["schema_version"] == 1
