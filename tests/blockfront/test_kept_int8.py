"""The network in int8 whose scores stand in a row is the one that is kept, taken home and profiled."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
import torch

import blockfront
from blockfront.blocks import deploy
from blockfront.design_space import SPACES, Network
from blockfront.design_space.detector import AnchorsApart
from blockfront.design_space.known import known_network
from blockfront.design_space.models import find_model
from blockfront.errors import UsageError
from blockfront.services.take import weights_of
from blockfront.study.weights import kept_weights, weights_path
from blockfront.sweep import stages
from blockfront.sweep.kept_int8 import Int8Detector, deployed_int8, holds_int8, int8_origin, load_int8
from blockfront.sweep.quantizing import Quantization
from blockfront.sweep.stages import Job, profile_network, train_network
from blockfront.targets import Asked, choose, get_target
from blockfront.targets.quantization import Decibels, integer_form, quantizer_tensors
from blockfront.targets.quantization.quantizing import Quantizer, calibrated
from blockfront.tasks.box_suppression import find_boxes
from blockfront.training import Recipe, fed, get_dataset, load_weights, pack_weights

NETWORK = "cnn_16_n10/stem_k3_s2_c8_nrelu/ir_se_r1_k3_s2_e2_c8_se0.25_nhardswish/head"
DETECTOR = "det_32_d3/stem_k3_s2_c8_nrelu/ds_r1_k3_s2_c8_nrelu6/ssdlite_l1_sabcd"
RECIPE = Recipe(epochs=1, images=256)
IMAGES = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def digits():
    return get_dataset("digits")


def batches_for(digits, text: str):
    """The test images of digits with their classes, as a network gets them."""
    network = Network.parse(text)
    with fed(network.build(), digits, resolution=network.resolution, device="cpu") as feed:
        return list(feed.test())


@pytest.fixture(scope="module")
def tested(digits):
    return batches_for(digits, NETWORK)


@pytest.fixture(scope="module", params=["ptq", "qat"])
def trained(request, digits, tmp_path_factory):
    """What a training for int8 found, the network that it scored, and its file of weights."""
    scored: list[Quantizer] = []
    quantize = stages.quantize_trained

    def watched(*arguments):
        parts, quantizer = quantize(*arguments)
        scored.append(quantizer)
        return parts, quantizer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "quantize_trained", watched)
        job = Job(Network.parse(NETWORK).id, NETWORK, seed=0, threads=1, quantize=request.param)
        found = train_network(job, digits, RECIPE, "cpu", keep=True)
    path = tmp_path_factory.mktemp(request.param) / "trained.safetensors"
    path.write_bytes(found.weights)
    return found.parts, scored[0].network(), path


def top1(network, tested) -> float:
    with torch.no_grad():
        right = sum(int((network(images).argmax(1) == classes).sum()) for images, classes in tested)
    return right / sum(len(classes) for _, classes in tested)


def test_its_outputs_are_those_of_the_network_that_was_scored(trained, tested):
    parts, scored, path = trained
    kept = load_int8(path)
    with torch.no_grad():
        for images, _ in tested:
            assert torch.equal(kept(images), scored(images))
            assert torch.equal(deployed_int8(path, find_model(NETWORK).signature)(images), scored(images))
    (training,) = parts["trainings"]
    assert top1(kept, tested) == pytest.approx(training.scores["top1"].value)
    assert parts["adaptations"]["int8"].artefact["hash"] in int8_origin(path)


def test_the_weights_in_float32_are_those_of_before(trained, tested):
    parts, _, path = trained
    module = Network.parse(NETWORK).build().eval()
    load_weights(module, path)
    assert top1(module, tested) == pytest.approx(parts["adaptations"]["int8"].before["top1"].value)
    noise = Decibels()
    with torch.no_grad():
        for images, _ in tested:
            noise.add(deploy(module)(images), load_int8(path)(images))
    assert noise.value == pytest.approx(parts["adaptations"]["int8"].changes["snr_db"].value)


def kept_file(folder: Path, text: str, module, recorded) -> tuple[Path, Quantizer]:
    """A file as sweeps write it, of a network that nothing was trained of, and what it was made of."""
    network = Network.parse(text)
    quantizer = calibrated(recorded, network.signature, [(IMAGES,)])
    found = Quantization("ptq", "minmax", 4, "0123456789ab", ())
    facts = {"network": text, "recipe": {}, "int8": integer_form(quantizer)}
    facts["adaptations"] = {"int8": {"artefact": found}}
    path = folder / "kept.safetensors"
    path.write_bytes(pack_weights(module, facts, quantizer_tensors(quantizer)))
    return path, quantizer


def test_a_detector_finds_what_its_int8_network_does(tmp_path):
    torch.manual_seed(3)
    module = Network.parse(DETECTOR).build().eval()
    path, quantizer = kept_file(tmp_path, DETECTOR, module, AnchorsApart(deploy(module)).eval())
    with torch.no_grad():
        wanted = quantizer.network()(IMAGES)
        found, deployed = load_int8(path)(IMAGES), deployed_int8(path, find_model(DETECTOR).signature)(IMAGES)
    assert isinstance(load_int8(path), Int8Detector)
    assert torch.equal(found.logits, wanted["logits"])
    assert torch.equal(found.deltas, wanted["deltas"])
    assert all(torch.equal(deployed[name], wanted[name]) for name in wanted)
    assert find_boxes(load_int8(path), IMAGES[:1]).shape[1] == 6


def test_a_segmenter_is_followed_by_its_labels_where_it_runs(tmp_path):
    text = str(SPACES["segment_labels"].build(32, 4).sample(0, 0))
    torch.manual_seed(3)
    module = Network.parse(text).build().eval()
    path, quantizer = kept_file(tmp_path, text, module, deploy(module))
    with torch.no_grad():
        wanted = quantizer.network()(IMAGES[:1])
        assert torch.equal(load_int8(path)(IMAGES[:1]), wanted)
        labels = deployed_int8(path, find_model(text).signature)(IMAGES[:1])
    assert torch.equal(labels.long(), wanted[..., ::4, ::4].argmax(1))


def test_weights_without_a_network_in_int8_say_so(tmp_path):
    path = tmp_path / "plain.safetensors"
    path.write_bytes(pack_weights(Network.parse(NETWORK).build(), {"network": NETWORK}))
    assert not holds_int8(path)
    assert not holds_int8(None)
    assert not holds_int8("trained.pth")
    with pytest.raises(UsageError, match="has no network in int8"):
        load_int8(path)


def test_of_several_studies_in_int8_one_is_to_be_named(tmp_path):
    storage = f"sqlite:///{tmp_path / 'bench.db'}"
    module = Network.parse(DETECTOR).build().eval()
    path, _ = kept_file(tmp_path, DETECTOR, module, AnchorsApart(deploy(module)).eval())
    model = find_model(DETECTOR)
    for study in ("plain", "an-int8", "an-int8-qat"):
        kept = weights_path(storage, study, Network.parse(DETECTOR).id, 0)
        kept.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if "int8" in study else pack_weights(module, {"network": DETECTOR})
        kept.write_bytes(content)
        if study == "an-int8":
            assert weights_of(model, storage, "int8") == kept
    with pytest.raises(UsageError, match="an-int8 and an-int8-qat have it in int8"):
        weights_of(model, storage, "int8")


ROOFLINE = ("--runner", "roofline", "--json")


@pytest.mark.compiles
def test_what_is_taken_of_a_training_for_int8_is_in_int8(trained, tested, bench):
    _, scored, path = trained
    said = bench("take", str(path), "--threads", "1", "-o", "taken", "--json")
    assert said.code == 0, said.errors
    taken = json.loads(said.output)
    assert (taken["precision"], taken["library_rel_error"], taken["calibration"]) == ("int8", 0, int8_origin(path))
    assert "model.onnx" not in taken["files"]
    assert "int8, 1 thread" in Path("taken/net.h").read_text()
    model = runpy.run_path("taken/load.py")["model"]
    with torch.no_grad():
        assert all(torch.equal(model(images), scored(images)) for images, _ in tested)
    profiled = bench("profile", "taken/weights.safetensors", "--precision", "int8", "--target", "rk3399", *ROOFLINE)
    assert json.loads(profiled.output)["calibration"] == int8_origin(path)


@pytest.mark.compiles
def test_a_ranking_of_files_of_weights_has_their_ranges(trained):
    _, _, path = trained
    network = known_network(str(path))
    means = choose(Asked(get_target("rk3399"), 1, "int8"), runner="roofline")
    found = profile_network(Job(network.id, str(network), seed=0, threads=1), means)
    assert found["adapted"] == {"int8": int8_origin(path)}


def test_weights_in_int8_are_taken_of_their_own_network_alone(trained, bench):
    _, _, path = trained
    said = bench("take", str(path), "--resolution", "32", "-o", "taken")
    assert said.code == 2
    assert f"has {NETWORK} in int8, and not {NETWORK.replace('cnn_16', 'cnn_32')}" in said.errors


@pytest.mark.compiles
def test_the_same_training_is_taken_in_float32_when_that_is_asked_for(trained, tested, bench):
    parts, _, path = trained
    said = bench("take", str(path), "--threads", "1", "-o", "plain", "--precision", "float32", "--quiet")
    assert said.code == 0, said.errors
    model = runpy.run_path("plain/load.py")["model"]
    assert top1(model, tested) == pytest.approx(parts["adaptations"]["int8"].before["top1"].value)


@pytest.mark.compiles
@pytest.mark.processes
@pytest.mark.long
def test_a_network_of_a_study_is_taken_as_its_row_says(bench, digits):
    """From the command that trains to the folder that is taken home, by the network's id."""
    options = ("--target", "host", "--space", "tiny.py:space", "--runner", "roofline", "--dataset", "digits")
    study = ("--epochs", "1", "--precision", "int8", "--quantize", "qat", "--keep", "all", "--workers", "1")
    said = bench("sample", "--n", "1", *options, *study)
    assert said.code == 0, said.errors
    (row,) = blockfront.load("tiny-host-int8-qat").to_dict("records")
    (kept,) = kept_weights("sqlite:///bench.db")
    assert (kept.network_id, holds_int8(kept.path)) == (row["network_id"], True)
    said = bench("take", row["network_id"], "--space", "tiny.py:space", "--threads", "1", "-o", "taken", "--json")
    assert said.code == 0, said.errors
    assert json.loads(said.output)["calibration"] == row["calibration"]
    model = runpy.run_path("taken/load.py")["model"]
    assert top1(model, batches_for(digits, row["network"])) == pytest.approx(row["top1"])
