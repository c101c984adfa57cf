"""Detectors without some of their anchors as networks of a sweep, beside those that they were."""

from __future__ import annotations

import json

import msgspec
import optuna
import pytest
import torch

import blockfront
from blockfront.anchors import SlotScores, deal_halves, record_boxes, slot_of_rows, slots_of
from blockfront.design_space import AnchorNetwork, DetectorHead, DetectorSpace, Network, Stage
from blockfront.results import Adapted, Training
from blockfront.services.trained_detector import find_detector
from blockfront.study.journal import Draw, Journal, known_trainings
from blockfront.study.settings import KEY, Settings
from blockfront.study.storage import opened
from blockfront.sweep.adapting import as_adapted
from blockfront.sweep.anchor_search import ANCHORS, AnchorSearch, add_pruned_trials, prune_trained
from blockfront.training import fed, get_dataset, seeded
from blockfront.training.scenes import write_scenes
from blockfront.training.weights import unpack_weights
from tests.blockfront.conftest import ignore_objects

SPACE = DetectorSpace(
    "small",
    resolution=48,
    num_classes=6,
    stem=8,
    family="er",
    stages=[Stage(depth=1, width=8, stride=2), Stage(depth=1, width=16, stride=2)],
    detector=DetectorHead.parse("ssdlite_l2_x8_sab.bf.a"),
)
WHERE = {"resolution": 48, "device": "cpu", "threads": 1, "seed": 0}
# With seeds whose random weights find something.
BODIES = {
    "er": (str(SPACE.sample(0, 0)), 0),
    "vit_ltmp": ("vitdet_48_d6/p8_d3_w16_h2_m2/ltmp_target0.8_variant=merge/sfp_s4/ssdlite_l3_f16_sab.bf.a", 2),
}


@pytest.fixture(scope="module", params=BODIES)
def pruned(request, tmp_path_factory):
    """A detector that finds something, its images, and the parts and weights that pruning it gives."""
    folder = tmp_path_factory.mktemp("few")
    write_scenes(folder, {"train": 2, "val": 7})
    data = get_dataset(f"coco:{folder}")
    text, seed = BODIES[request.param]
    network = Network.parse(text)
    assert isinstance(network, AnchorNetwork)
    with seeded(seed):
        module = network.build()
        for name, parameter in module.named_parameters():
            if "head.own" in name:
                torch.nn.init.normal_(parameter, std=0.3)
        training = Training({}, 7, (0.1,), data.ref, "r", 1, "trained", 2.0, 0)
        parts = {"trainings": (training,)}
        if network.adaptation is not None:
            with fed(module, data, **WHERE) as feed:
                plan = network.adaptation.fit(module, feed)
            parts["adaptations"] = {network.adaptation.name: Adapted(msgspec.to_builtins(plan), {}, {})}
        parts, leftovers = prune_trained(network, module, data, 1e-3, WHERE, parts, None, keep=True)
    return network, as_adapted(network, module, parts), data, parts, leftovers


def artefact(parts) -> AnchorSearch:
    return msgspec.convert(parts["adaptations"][ANCHORS].artefact, AnchorSearch)


def test_what_is_left_is_searched_on_one_half_of_the_images_and_scored_on_the_other(pruned):
    network, module, data, parts, leftovers = pruned
    found, (training,) = artefact(parts), parts["trainings"]
    with fed(module, data, resolution=48, device="cpu") as feed:
        boxes = record_boxes(module, feed.test(), slot_of_rows(network), slots_of(network))
    ours, others = map(SlotScores, boxes.halves())
    assert (found.search_images, found.test_images, training.test_images) == (4, 3, 3)
    assert found.search_ap == ours(frozenset())[0] > 0
    assert training.scores["ap"].value == pytest.approx(others(frozenset())[0], abs=1e-12)
    assert 1 <= len(found.pruned) == len(leftovers) <= 2
    for one, leftover in zip(found.pruned, leftovers, strict=True):
        removed = frozenset(one.removed)
        assert found.search_ap - one.search_ap <= found.drop + 5e-4
        assert one.search_ap == round(ours(removed)[0], 3)
        assert one.scores["ap"].value == pytest.approx(others(removed)[0], abs=1e-12)
        assert Network.parse(one.network).id == leftover.network_id
        assert (Network.parse(one.network).cost.head_macs or 0) < (network.cost.head_macs or 0)


def test_weights_of_what_is_left_give_its_scores_as_the_whole_detector_was_adapted(pruned):
    _, _, data, parts, leftovers = pruned
    for one, leftover in zip(artefact(parts).pruned, leftovers, strict=True):
        network = Network.parse(one.network)
        module = network.build()
        unpack_weights(module, leftover.weights, "what is left")
        left = as_adapted(network, module.eval(), parts)
        with fed(left, data, resolution=48, device="cpu") as feed:
            boxes = record_boxes(left, feed.test(), slot_of_rows(network), slots_of(network))
        assert one.scores["ap"].value == pytest.approx(SlotScores(boxes.halves()[1])(frozenset())[0], abs=1e-12)


def test_a_detector_that_finds_less_than_may_be_lost_is_not_searched(pruned):
    network, module, data, parts, _ = pruned
    if network.adaptation is not None:
        pytest.skip("the module is adapted already")
    parts, leftovers = prune_trained(network, module, data, 0.9, WHERE, parts, None, keep=False)
    assert (artefact(parts).pruned, leftovers) == ((), ())


def test_pruned_detectors_are_added_once_and_count_neither_as_drawn_nor_as_trained(pruned, tmp_path):
    network, _, data, parts, leftovers = pruned
    settings = Settings(
        *("small", SPACE.hash, {}, "rk3399", {}, "roofline", "tvm", "float32", 1, data.ref, "f", {}, "r", 0, "random"),
        task="detection",
        objectives=("latency_ms", "ap"),
        prune=1e-3,
    )
    with opened(f"sqlite:///{tmp_path / 'bench.db'}", create=True) as storage:
        study = optuna.create_study(study_name="small", storage=storage, directions=["minimize", "maximize"])
        study.set_user_attr(KEY, blockfront.results.trial.write_part(settings))
        journal = Journal(storage, study, settings)
        entry = journal.add(SPACE, Draw(0, {}, network))
        # A process that ends in between adds them again before the detector counts as trained.
        add_pruned_trials(journal, entry, parts, leftovers)
        add_pruned_trials(journal, entry, parts, leftovers)
        journal.record(entry, {name: parts[name] for name in ("adaptations", "trainings")})
        whole, *rest = journal.results()
        assert len(rest) == len(leftovers)
        for result, one in zip(rest, artefact(parts).pruned, strict=True):
            assert (result.network.parent, result.network.family) == (network.id, f"{network.family}, pruned")
            assert result.adaptations == {name: kept for name, kept in whole.adaptations.items() if name != ANCHORS}
            assert (result.network.text, result.trainings[0].scores) == (one.network, one.scores)
            assert result.trainings[0].test_images == whole.trainings[0].test_images
        assert journal.taken() == {network.id: 0}
        assert known_trainings(storage, settings).keys() == {network.id}
        assert [left.network.parent for left in journal.unfinished()] == [None, *[network.id] * len(rest)]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--prune", "2"], "--prune is AP that may be lost, such as 0.02, not 2"),
        (["--prune", "0.02", "--no-train"], "--prune searches trained detectors, and there is no training"),
        (["--prune", "0.02", "--train-seeds", "2"], "leave it or --train-seeds out"),
        (["--prune", "0.02", "--budget", "front"], "leave it or --budget out"),
        (["--prune", "0.02", "--precision", "int8"], "leave it or --precision int8 out"),
        (["--prune", "0.02", "--space", "mobile", "--dataset", "digits"], "take --space detect or vit_detect"),
    ],
)
def test_what_cannot_be_pruned_is_refused_in_a_line(bench, tmp_path, options, reason):
    write_scenes(tmp_path, {"train": 2, "val": 2})
    data = [] if "digits" in options or "--no-train" in options else ["--dataset", f"coco:{tmp_path}"]
    said = bench("sample", "--space", "detect", "--target", "rk3399", "--runner", "roofline", *data, *options)
    assert said.code == 2
    assert reason in said.errors
    assert said.errors.count("\n") == 1


@pytest.mark.parametrize(
    ("counting", "more", "reason"),
    [
        ((3,), (), "two or more need an object that is not ignored, not 1 of 4 test images; take other test images"),
        ((0, 3), ("--value", "ap_medium"), "--value ap_medium cannot be had of it: no object that counts is medium"),
    ],
)
def test_halves_of_the_test_images_that_give_no_value_are_refused_in_a_line(bench, tmp_path, counting, more, reason):
    write_scenes(tmp_path, {"train": 2, "val": 4})
    ignore_objects(tmp_path, set(range(4)) - set(counting))
    file = tmp_path / "annotations" / "instances_val.json"
    content = json.loads(file.read_text())
    ours = deal_halves([number in counting for number in range(4)])[0] if len(counting) > 1 else ()
    for one in content["annotations"]:
        one["area"] = 2000 if one["image_id"] in ours else 9
    file.write_text(json.dumps(content))
    options = ("--space", "detect", "--target", "rk3399", "--runner", "roofline", "--dataset", f"coco:{tmp_path}")
    said = bench("sample", *options, "--prune", "0.02", *more)
    assert said.code == 2
    assert reason in said.errors
    assert said.errors.count("\n") == 1


FILE = """
from blockfront.design_space import DetectorHead, DetectorSpace, Stage, choice

space = DetectorSpace(
    "small",
    resolution=48,
    num_classes=6,
    stem=8,
    family="er",
    stages=[Stage(depth=1, width=choice(12, 16), stride=2), Stage(depth=1, width=16, stride=2)],
    detector=DetectorHead.of("ssdlite", stages=2),
)
"""


@pytest.mark.processes
@pytest.mark.long
def test_a_sweep_adds_what_a_search_leaves_and_another_target_reuses_it(tmp_path, commands_in):
    commands = commands_in(tmp_path)
    (tmp_path / "small.py").write_text(FILE)
    write_scenes(tmp_path / "few", {"train": 48, "val": 12})
    options = ("--space", "small.py:space", "--dataset", "coco:few", "--runner", "roofline", "--workers", "1")
    options += ("--epochs", "10", "--set", "batch_size=8", "--set", "lr=0.02", "--prune", "0.0005", "--keep", "all")
    done = commands.run("sample", "--n", "1", "--target", "rk3399", *options)
    assert done.returncode == 0, done.stderr
    frame = blockfront.load("small-rk3399-pruned", commands.storage)
    assert (frame["state"] == "complete").all()
    whole, rest = frame.iloc[0], frame.iloc[1:]
    assert len(rest)
    assert set(rest["family"]) == {"er, pruned"}
    assert set(rest["parent"]) == {whole["network_id"]}
    assert (rest["latency_ms"] < whole["latency_ms"]).all()
    assert (rest["boxes"] < whole["boxes"]).all()
    assert (frame["test_images"] == 6).all()
    assert (frame["postprocess_ms"] > 0).all()
    found = find_detector(f"small-rk3399-pruned:{len(rest)}", None, commands.storage)
    assert found.network.id == rest.iloc[-1]["network_id"]
    found.build()

    again = commands.run("sample", "--n", "1", "--target", "rpi3bplus", *options)
    assert again.returncode == 0, again.stderr
    other = blockfront.load("small-rpi3bplus-pruned", commands.storage)
    same = ["network_id", "parent", "family", "macs", "ap", "ap_ci95_low", "test_images"]
    assert other[same].equals(frame[same])
