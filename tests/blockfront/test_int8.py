"""A study in int8: trained in float32, calibrated on training images alone, scored in both, compiled, reported."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest
import torch

import blockfront
from blockfront.design_space import Network
from blockfront.digest import digest
from blockfront.errors import UsageError
from blockfront.results import Adapted, Training, paired95
from blockfront.services.verify import precision_of
from blockfront.sweep import quantizing
from blockfront.sweep.quantizing import CALIBRATION_IMAGES, Quantization, quantize_trained
from blockfront.sweep.stages import FloatTraining, Job, profile_network, train_network
from blockfront.targets import Asked, choose, get_target
from blockfront.training import Feed, Recipe, fed, get_dataset

OPTIONS = (
    *("--target", "rk3399", "--space", "tiny.py:space", "--runner", "roofline", "--dataset", "digits"),
    *("--epochs", "1"),
)
NETWORK = "cnn_16_n10/stem_k3_s2_c8_nrelu/ir_se_r1_k3_s2_e2_c8_se0.25_nhardswish/head"
RECIPE = Recipe(epochs=1, images=256)


@pytest.fixture(scope="module")
def digits():
    return get_dataset("digits")


@pytest.fixture(scope="module")
def trained(digits) -> dict[str, object]:
    """What training finds of a network of an int8 study, and of the same in float32."""
    network_id = Network.parse(NETWORK).id
    found = {}
    for quantize in (None, "ptq", "qat"):
        job = Job(network_id, NETWORK, seed=0, threads=1, quantize=quantize)
        one = train_network(job, digits, RECIPE, "cpu", keep=quantize is None)
        found[quantize] = one.parts
        if quantize is None:
            found["weights"] = one.weights
    return found


def int8_of(parts) -> tuple[Adapted, Training, Quantization]:
    adapted, (training,) = parts["adaptations"]["int8"], parts["trainings"]
    return adapted, training, msgspec.convert(adapted.artefact, Quantization)


def test_the_scores_are_those_of_int8_beside_those_of_the_same_training_in_float32(trained):
    adapted, training, _ = int8_of(trained["ptq"])
    (plain,) = trained[None]["trainings"]
    assert adapted.before == plain.scores
    drop = adapted.changes["top1_drop"]
    assert drop.value == pytest.approx(plain.scores["top1"].value - training.scores["top1"].value)
    assert drop.low < drop.value < drop.high
    assert abs(drop.value) <= 1 - adapted.shares["float_agreement"]
    assert adapted.changes["snr_db"].value >= 20


def test_weights_of_a_training_in_float32_become_what_one_for_int8_gives(digits, trained):
    done = FloatTraining(trained[None]["trainings"][0], trained["weights"], "a file")
    job = Job(Network.parse(NETWORK).id, NETWORK, seed=0, threads=1, quantize="ptq")
    found = train_network(job, digits, RECIPE, "cpu", done=done).parts
    (adapted, training, _), (own, expected, _) = int8_of(found), int8_of(trained["ptq"])
    assert adapted == own
    assert dataclasses.replace(training, seconds=expected.seconds) == expected


def test_weights_of_another_network_become_no_int8(digits, trained):
    other = NETWORK.replace("c8_se", "c16_se")
    done = FloatTraining(trained[None]["trainings"][0], trained["weights"], "a file")
    job = Job(Network.parse(other).id, other, seed=0, threads=1, quantize="ptq")
    with pytest.raises(UsageError, match="a file does not fit the network"):
        train_network(job, digits, RECIPE, "cpu", done=done)


def test_ranges_are_of_training_images_alone(digits, trained, monkeypatch):
    """Test images that are nothing but 1000 change no range, and the hash is that of training images."""
    _, _, found = int8_of(trained["ptq"])
    module = Network.parse(NETWORK).build()
    where = {"resolution": 16, "threads": 1, "seed": 0}
    with fed(module, digits, device="cpu", **where) as feed:
        images = torch.cat([batch for batch, _ in feed.training(64, CALIBRATION_IMAGES)])
    assert found.hash == digest(images.contiguous().numpy().tobytes(), 12)
    assert found.images == len(images)
    test = Feed.test
    monkeypatch.setattr(Feed, "test", lambda self: ((images * 0 + 1000, targets) for images, targets in test(self)))
    parts = {"trainings": trained[None]["trainings"]}
    again, _ = quantize_trained(module, Network.parse(NETWORK), digits, RECIPE, "ptq", where, parts)
    assert int8_of(again)[2].hash == found.hash


def test_layers_are_told_from_the_one_that_costs_most(trained):
    _, _, found = int8_of(trained["ptq"])
    costs = [layer.snr_db for layer in found.layers]
    assert costs == sorted(costs)
    assert "3x3 convolution of 3 to 8 channels" in {layer.what for layer in found.layers}
    assert found.float_operators == ()
    assert found.origin == f"256 training images ({found.hash}), minmax"


def test_a_difference_of_shares_that_is_paired_is_narrower_than_one_that_is_not():
    """Bonett and Price (2012), by hand: 10 lost and 4 won of 98 are 11/100 and 5/100, less each other."""
    low, high = paired95(10, 4, 98)
    half = 1.959963984540054 * ((0.11 + 0.05 - 0.06**2) / 100) ** 0.5
    assert (low, high) == pytest.approx((0.06 - half, 0.06 + half))
    low, high = paired95(0, 0, 450)
    assert low < 0 < high


@pytest.mark.compiles
@pytest.mark.processes
@pytest.mark.long
def test_a_study_in_int8_is_one_of_its_own(bench):
    """`bench sample --precision int8` trains, quantises and compiles; show, verify and rank know the format."""
    said = bench("sample", "--n", "1", *OPTIONS, "--precision", "int8", "--workers", "1")
    assert said.code == 0, said.errors
    (row,) = blockfront.load("tiny-rk3399-int8").to_dict("records")
    assert row["state"] == "complete"
    assert row["precision"] == "int8"
    assert row["max_rel_error"] <= 1e-6
    assert row["unscheduled_kernels"] == 0
    assert row["top1"] == pytest.approx(row["top1_float"] - row["top1_drop"])
    assert row["calibration"].startswith("256 training images (")
    assert "what int8 costs most" in bench("show", row["network_id"]).output
    assert precision_of("tiny-rk3399-int8", "sqlite:///bench.db") == "int8"


@pytest.mark.compiles
@pytest.mark.processes
@pytest.mark.long
def test_what_is_trained_in_float32_and_kept_is_not_trained_again_for_int8(bench):
    """Its training and top-1 are the float32 study's, to the last digit, and a line says so."""
    assert bench("sample", "--n", "1", *OPTIONS, "--keep", "all", "--workers", "1").code == 0
    said = bench("sample", "--n", "1", *OPTIONS, "--precision", "int8", "--workers", "1")
    assert "done in float32, with weights kept: 1 of 1 training, in tiny-rk3399" in said.errors
    (plain,), (row,) = (blockfront.load(f"tiny-rk3399{form}").to_dict("records") for form in ("", "-int8"))
    assert row["top1_float"] == plain["top1"]


@pytest.mark.compiles
@pytest.mark.processes
@pytest.mark.long
def test_a_study_in_float16_is_one_of_its_own_with_the_accuracies_of_float32(bench):
    options = ("rk3588" if option == "rk3399" else option for option in OPTIONS)
    said = bench("sample", "--n", "1", *options, "--precision", "float16", "--workers", "1")
    assert said.code == 0, said.errors
    assert "accuracies are those of float32" in said.errors
    (row,) = blockfront.load("tiny-rk3588-float16").to_dict("records")
    assert (row["state"], row["precision"], row["unscheduled_kernels"]) == ("complete", "float16", 0)
    assert 1e-5 < row["max_rel_error"] < 0.05
    assert row["torch_rel_error"] > 1e-5


@pytest.mark.parametrize(
    ("command", "target", "precision", "more", "reason"),
    [
        ("profile", "edge_tpu_like", "int8", (), "toolchain zigzag prepares networks in float32, not in int8"),
        (
            "profile",
            "host",
            "int8",
            ("--toolchain", "onnxruntime"),
            "toolchain onnxruntime prepares networks in float32",
        ),
        ("profile", "visionfive2", "int8", (), "visionfive2 has no instruction that int8 kernels use"),
        ("profile", "rk3399_gpu", "int8", (), "int8 networks are compiled for processors"),
        ("profile", "rk3399", "float16", (), "rk3399 has no arithmetic that float16 kernels use"),
        ("verify", "rk3399", "int4", (), "not in int4"),
    ],
)
def test_formats_that_nothing_is_prepared_in_are_refused_in_a_line(bench, command, target, precision, more, reason):
    said = bench(command, "resnet18", "--target", target, "--precision", precision, *more)
    assert said.code == 2
    assert reason in said.errors
    assert len(said.errors.strip().splitlines()) == 1


@pytest.mark.compiles
def test_layers_that_are_too_sensitive_stay_float32_in_what_is_compiled(digits, monkeypatch):
    monkeypatch.setattr(quantizing, "LEAST_DB", 1000)
    network_id = Network.parse(NETWORK).id
    job = Job(network_id, NETWORK, seed=0, threads=1, quantize="ptq")
    adapted, _, found = int8_of(train_network(job, digits, RECIPE, "cpu").parts)
    assert len(found.float_layers) == 3
    assert found.origin.endswith("; 3 layers stay float32")
    means = choose(Asked(get_target("rk3399"), 1, "int8"), runner="roofline")
    compiled = profile_network(dataclasses.replace(job, quantization=adapted.artefact), means)
    plain = profile_network(job, means)
    assert compiled["adapted"] == {"int8": found.origin}
    assert "random inputs" in plain["adapted"]["int8"]
    assert len(compiled["latency"].kernels) != len(plain["latency"].kernels)
    assert compiled["cost"] == plain["cost"]
