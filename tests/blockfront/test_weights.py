"""Weights of trained networks, kept beside the storage, and trainings with several seeds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from statistics import mean, stdev

import pytest
import safetensors
import safetensors.torch

import blockfront
from blockfront.analysis import front
from blockfront.design_space import Network
from blockfront.errors import UsageError
from blockfront.study.weights import find_weights, kept_weights, weights_folder, weights_path
from blockfront.training import Recipe, evaluate, get_dataset


@pytest.fixture
def storage(finished, tmp_path: Path) -> str:
    """A copy of the finished study's storage and of what is kept beside it."""
    source = finished.commands.folder / "bench.db"
    shutil.copy(source, tmp_path / "bench.db")
    shutil.copytree(f"{source}.weights", tmp_path / "bench.db.weights")
    return f"sqlite:///{tmp_path / 'bench.db'}"


def test_the_weights_of_the_front_are_kept_and_give_its_accuracy(finished):
    frame = blockfront.load(finished.study, finished.commands.storage).set_index("network_id")
    kept = kept_weights(finished.commands.storage)
    assert {one.network_id for one in kept} == {*front(frame.reset_index())["network_id"]}
    for one in kept:
        with safetensors.safe_open(one.path, "pt") as file:
            facts = file.metadata()
        assert (facts["network"], one.seed) == (frame["network"][one.network_id], 0)
        assert json.loads(facts["recipe"]) == json.loads(json.dumps(Recipe(epochs=1).__dict__))
        network = Network.parse(facts["network"])
        module = network.build()
        module.load_state_dict(safetensors.torch.load_file(one.path))
        found = evaluate(module, get_dataset("digits"), resolution=network.resolution, device="cpu")
        assert found.scores["top1"].value == frame["top1"][one.network_id]


def test_weights_are_found_by_the_first_digits_of_an_id(storage):
    one = kept_weights(storage)[0]
    assert find_weights(one.network_id[:8], storage) == one
    for prefix in ("0123456789ab", ""):
        with pytest.raises(UsageError, match=r"no weights of network .* bench sample --keep all"):
            find_weights(prefix, storage)


def test_weights_are_listed_with_their_sizes_and_removed(bench, storage):
    kept = kept_weights(storage)
    listed = json.loads(bench("weights", "--json", "--storage", storage).output)["weights"]
    assert [(row["network_id"], row["size_bytes"]) for row in listed] == [
        (one.network_id, one.path.stat().st_size) for one in kept
    ]
    assert f"{len(kept)} files" in bench("weights", "--storage", storage).output
    assert "unknown study 'none-such'" in bench("weights", "none-such", "--storage", storage).errors
    assert f"removed {len(kept)} files" in bench("weights", "tiny-rk3399", "--remove", "--storage", storage).output
    assert kept_weights(storage) == []
    assert not weights_folder(storage).exists()


@pytest.mark.parametrize("study", ["..", "a/b", "../../up", "ä %2F", "mobile-rk3399"])
def test_a_studys_folder_is_beside_the_storage_whatever_its_name(tmp_path, study):
    storage = str(tmp_path / "bench.db")
    path = weights_path(storage, study, "0123456789ab", 3)
    assert path.parent.parent == weights_folder(storage) == tmp_path / "bench.db.weights"
    path.parent.mkdir(parents=True)
    path.touch()
    (one,) = kept_weights(storage, study)
    assert (one.study, one.network_id, one.seed, one.path) == (study, "0123456789ab", 3, path)


@pytest.mark.processes
def test_a_second_seed_is_all_that_is_trained_of_networks_known_with_one(bench, finished, storage):
    before = blockfront.load(finished.study, storage).set_index("network_id")
    options = ("--target", "rk3399", "--space", "tiny.py:space", "--runner", "roofline", "--dataset", "digits")
    more = ("--epochs", "1", "--study", "twice", "--train-seeds", "2", "--keep", "all", "--n", "1", "--workers", "1")
    said = bench("sample", *options, *more, "--storage", storage)
    assert said.code == 0, said.errors
    assert "train: 1 of 1" in said.errors
    row = blockfront.load("twice", storage).iloc[0]
    first = before["top1"][row["network_id"]]
    second = 2 * row["top1"] - first
    assert row["trainings"] == 2
    assert row["top1"] == pytest.approx(mean([first, second]))
    assert row["top1_seed_sd"] == pytest.approx(stdev([first, second]))
    assert row["top1_ci95_low"] < row["top1"] < row["top1_ci95_high"]
    assert [one.seed for one in kept_weights(storage, "twice")] == [1]
    assert "mean of 2 trainings" in Path("report.html").read_text()
    assert "the seeds of their trainings" not in said.output  # of one network nothing is said of families
