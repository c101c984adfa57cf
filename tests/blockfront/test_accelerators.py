"""Accelerators from the command line: sampling, showing, comparing, and calls that are wrong for them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from blockfront import load
from blockfront.console.tables import front_columns, front_rows
from blockfront.targets.hardware import zigzag_files

SQUARE = Path(__file__).parents[1] / "targets" / "latency" / "accelerators"
TARGET = """
from pathlib import Path
from blockfront.targets import Accelerator

folder = Path(__file__).parent
mine = Accelerator(
    "mine", "a square", str(folder / "square.yaml"), str(folder / "square_mapping.yaml"), clock_ghz=1.0
)
"""
SAMPLE = ("--space", "tiny.py:space", "--target", "square.py:mine", "--dataset", "digits", "--workers", "1", "--quiet")


def bring_square(folder: Path) -> None:
    """A user's accelerator in `folder`."""
    (folder / "square.py").write_text(TARGET)
    for name in ("square.yaml", "square_mapping.yaml"):
        shutil.copy(SQUARE / name, folder)


@pytest.fixture(scope="module")
def commands_there(finished, tmp_path_factory):
    """Commands in a copy of the folder of `finished`, for another study in its storage."""
    copy = tmp_path_factory.mktemp("accelerators") / "copy"
    shutil.copytree(finished.commands.folder, copy)
    bring_square(copy)
    return replace(finished.commands, folder=copy)


@pytest.fixture(scope="module")
def simulated(commands_there):
    """The networks of `finished` on an accelerator, as JSON."""
    printed = commands_there.run("sample", "--n", "3", *SAMPLE, "--epochs", "1", "--json")
    assert printed.returncode == 0, printed.stderr
    return json.loads(printed.stdout)


@pytest.fixture
def there(bench, commands_there, simulated, monkeypatch):
    """`bench` in the folder of both studies."""
    monkeypatch.chdir(commands_there.folder)
    return bench


@pytest.mark.long
def test_a_sweep_on_an_accelerator_says_what_it_is_and_reuses_accuracies(commands_there, simulated):
    predicted = load("tiny-rk3399", commands_there.storage).set_index("network_id")
    for row in simulated["networks"]:
        assert row["state"] == "complete"
        assert (row["latency_source"], row["runner"], row["predictor"]) == ("simulated", "simulated", "zigzag")
        assert (row["precision"], row["simulated_macs"]) == ("int8", 1)
        assert 0.5 < row["simulated_activations"] < 1
        assert row["energy_mj"] > 0
        assert "ZigZag" in row["prediction_basis"]
        assert row["threads"] is row["max_rel_error"] is row["unscheduled_kernels"] is row["peak_memory_bytes"] is None
        assert row["top1"] == predicted.loc[row["network_id"], "top1"]
        assert row["macs"] == predicted.loc[row["network_id"], "macs"]
    assert list(predicted["precision"]) == ["float32"] * 3
    assert predicted["energy_mj"].isna().all()


def test_a_simulated_network_is_shown_layer_by_layer(there, simulated):
    network = simulated["networks"][0]["network_id"]
    shown = there("show", network, "--study", "tiny-mine").output
    for word in ("simulated", "zigzag", "moves", "mJ", "Not modelled, at no cost", "in int8"):
        assert word in shown, word
    (found,) = json.loads(there("show", network, "--study", "tiny-mine", "--json").output)
    assert sum(kernel["energy_mj"] for kernel in found["kernels"]) == pytest.approx(found["energy_mj"])
    assert found["coverage"]["foreign"] == {}


def test_the_fronts_table_has_the_energy_where_there_is_one(commands_there, simulated):
    frames = [load(study, commands_there.storage) for study in ("tiny-mine", "tiny-rk3399")]
    assert [("energy mJ" in front_columns(frame)) for frame in frames] == [True, False]
    assert [len(front_rows(frame)[0]) for frame in frames] == [len(front_columns(frame)) for frame in frames]


def test_the_report_has_a_front_of_accuracy_against_energy(there):
    assert there("report", "tiny-mine", "-o", "energy.html").code == 0
    page = Path("energy.html").read_text()
    assert "Accuracy against energy" in page
    assert "energy (mJ)" in page


def test_a_report_weighs_networks_by_the_pair_it_is_asked_for(there):
    said = there("report", "tiny-mine", "--cost", "energy_mj", "--value", "top1", "-o", "energy.html")
    assert said.code == 0, said.errors
    assert "<h1>Accuracy against energy, by block family</h1>" in Path("energy.html").read_text()
    refused = there("report", "tiny-mine", "--cost", "top1")
    assert refused.code == 2
    assert "top1 is not to be minimized" in refused.errors


def test_studies_of_one_space_are_compared_across_targets(there):
    said = there("compare", "tiny-rk3399", "tiny-mine", "-o", "c.html", "--json")
    assert said.code == 0, said.errors
    document = json.loads(said.output)
    (pair,) = document["pairs"]
    assert (pair["a"], pair["b"], pair["shared"]) == ("tiny-rk3399", "tiny-mine", 3)
    assert "simulated by zigzag" in document["findings"][1]
    assert {row["study"] for row in document["fronts"]} == {"tiny-rk3399", "tiny-mine"}
    page = Path("c.html").read_text()
    assert "tiny-mine" in page
    assert 'data-kind="targets"' in page
    assert "Spearman of latency" in there("compare", "tiny-rk3399", "tiny-mine", "-o", "c.html").output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tiny-rk3399",), "name two studies or more"),
        (("tiny-rk3399", "tiny-mine", "--metric", "energy_mj"), "no network of tiny-rk3399 has energy_mj"),
        (("tiny-rk3399", "tiny-mine", "--metric", "top1"), "top1 is not to be minimized"),
        (("tiny-rk3399", "tiny-mini"), "unknown study 'tiny-mini'; did you mean tiny-mine"),
    ],
)
def test_a_comparison_that_makes_no_sense_is_refused(there, arguments, words):
    said = there("compare", *arguments)
    assert said.code == 2
    assert words in said.errors


def test_a_study_goes_on_with_the_same_files_only(there):
    path = Path("square.yaml")
    before = path.read_text()
    path.write_text(before.replace("unit_energy: 0.25", "unit_energy: 0.5"))
    try:
        said = there("sample", "--n", "4", *SAMPLE, "--epochs", "1")
    finally:
        path.write_text(before)
    assert said.code == 2
    assert "exists with model of runner simulated" in said.errors


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--runner", "roofline"), "runner roofline does not serve edge_tpu_like; those that do: simulated"),
        (("--threads", "2"), "leave --threads out"),
        (("--tracker", "127.0.0.1:9190"), "leave --tracker out"),
        (("--tuned",), "leave --tuned out"),
    ],
)
def test_options_for_processors_are_refused(bench, options, words):
    said = bench("profile", "mobilenetv2_050", "--target", "edge_tpu_like", *options)
    assert said.code == 2
    assert words in said.errors


def test_a_processor_is_not_simulated(bench):
    said = bench("profile", "mobilenetv2_050", "--target", "rk3399", "--runner", "simulated")
    assert said.code == 2
    assert "runner simulated does not serve rk3399; those that do: rpc, emulated, roofline" in said.errors


@pytest.mark.parametrize("command", [("calibrate",), ("verify", "x"), ("tune", "x"), ("board", "emulate")])
def test_commands_that_compile_refuse_an_accelerator(bench, command):
    where = ("edge_tpu_like",) if command[0] == "board" else ("--target", "edge_tpu_like")
    said = bench(*command, *where)
    assert said.code == 2
    assert "edge_tpu_like is an accelerator" in said.errors


def test_targets_list_accelerators_with_the_install_command_where_zigzag_is_missing(bench, monkeypatch):
    assert "simulated" in bench("targets").output
    assert bench("targets", "tpu_like").code == 0
    monkeypatch.setattr(zigzag_files, "find_spec", lambda name: None)
    output = " ".join(bench("targets").output.split())
    assert "edge_tpu_like" in output
    assert "pip install 'zigzag-dse==3.9.*' six" in output
    said = bench("sample", "--target", "edge_tpu_like", "--n", "1")
    assert said.code == 2
    assert said.errors.count("\n") == 1
    assert "needs the simulator ZigZag: pip install" in said.errors


def test_a_model_that_zigzag_lacks_fails_with_the_reason(bench, tmp_path):
    bring_square(tmp_path)
    (tmp_path / "up.py").write_text("from torch import nn\ndef up():\n    return nn.ConvTranspose2d(3, 3, 2, 2)\n")
    said = bench("profile", "up.py:up", "--target", "square.py:mine", "--resolution", "8")
    assert said.code == 1
    assert "only 0.0% of the MACs are in layers that are modelled" in said.errors


@pytest.mark.emulates
def test_the_doctor_simulates_a_layer(bench):
    said = bench("doctor", "--target", "edge_tpu_like")
    assert "runner simulated" in said.output
    assert "a small convolution takes" in " ".join(said.output.split())
