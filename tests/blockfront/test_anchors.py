"""`bench anchors`: from a trained detector to a front, and to the detector without the anchors that went."""

from __future__ import annotations

import json

import pytest
import torch

from blockfront.anchors import prune_detector, record_boxes, slot_of_rows, slots_of
from blockfront.console.progress import choose_progress
from blockfront.cores import usable_cores
from blockfront.design_space import DetectorHead, Network
from blockfront.design_space.models import find_model
from blockfront.services.anchor_boxes import BoxesLatency
from blockfront.sweep.postprocessing import dense, means_of_boxes, record_candidates
from blockfront.targets import Asked, choose, find_hardware
from blockfront.training import Recipe, fed, get_dataset, load_weights, pack_weights, seeded, train
from blockfront.training.scenes import write_scenes
from tests.blockfront.conftest import ignore_objects, write_detector

BODY = "det_48_d6/stem_k3_s2_c8_nrelu/er_r1_s2_c8/er_r1_s2_c16"
DETECTOR = f"{BODY}/ssdlite_l2_x8_sab.bf.a"


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A folder with a detector's weights and a data set; the detector itself."""
    monkeypatch.chdir(tmp_path)
    write_scenes(tmp_path / "few", {"train": 2, "val": 6})
    return write_detector(tmp_path / "det.safetensors", DETECTOR)


def search(bench, *options):
    return bench("anchors", "search", *options, "--dataset", "coco:few", "--device", "cpu", "--quiet")


def test_a_front_is_found_and_a_row_of_it_is_a_network_of_its_own(bench, trained, tmp_path):
    said = search(bench, "det.safetensors", "--drop", "0.5", "--no-shortcuts")
    assert said.code == 0, said.errors
    assert "3 test images; AP on the other 3 test images" in said.output
    front = json.loads((tmp_path / "anchors.json").read_text())
    whole, *rows = front["rows"]
    assert (whole["slots"], whole["removed"]) == ("ab.bf.a", [])
    assert rows
    assert all(row["front"] and row["head_macs"] < whole["head_macs"] for row in rows)
    assert [row["search_ap"] for row in rows] == sorted((row["search_ap"] for row in rows), reverse=True)

    said = bench("anchors", "apply", "anchors.json", str(len(rows)), "-o", "small.safetensors")
    assert said.code == 0, said.errors
    model, chosen = find_model("small.safetensors"), rows[-1]
    assert model.network == chosen["network"]
    assert chosen["network"] in said.output
    applied = Network.parse(model.network).build()
    load_weights(applied, tmp_path / "small.safetensors")
    expected = prune_detector(Network.parse(DETECTOR), trained, chosen["removed"]).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in applied.state_dict().items())
    image = torch.randn(1, 3, 48, 48)
    with torch.inference_mode():
        outputs = model.whole()(image)
        torch.testing.assert_close(outputs["logits"], applied.eval()(image).logits)

    # What was found before is known, and the same.
    again = search(bench, "det.safetensors", "--drop", "0.5", "--no-shortcuts", "--json")
    assert json.loads(again.output) == front


@pytest.mark.parametrize("counting", [(2,), (3, 5)])
def test_objects_of_two_test_images_are_searched_and_those_of_fewer_are_refused_in_a_line(
    bench, trained, tmp_path, counting
):
    ignore_objects(tmp_path / "few", set(range(6)) - set(counting))
    said = search(bench, "det.safetensors", "--drop", "0.5", "--json")
    if len(counting) < 2:
        assert said.code == 2
        assert "two or more need an object that is not ignored, not 1 of 6 test images" in said.errors
        assert said.errors.count("\n") == 1
        assert not (tmp_path / "anchors.json").exists()
    else:
        # Chance deals both to one half; APs are numbers on each.
        assert said.code == 0, said.errors
        rows = json.loads(said.output)["rows"]
        assert all(row["ap"] >= 0 and row["search_ap"] >= 0 for row in rows)


@pytest.mark.compiles
def test_the_price_may_be_boxes_or_the_latency_of_the_head(bench, trained, tmp_path):
    for options in (["boxes"], ["latency", "--target", "rk3399", "--runner", "roofline", "--threads", "1"]):
        said = search(bench, "det.safetensors", "--drop", "0.5", "--same-images", "--json", "--cost", *options)
        assert said.code == 0, said.errors
        front = json.loads(said.output)
        assert front["stated_on"] == "the same images"
        costs = [row["cost"] for row in front["rows"] if row["front"]]
        assert costs == sorted(costs, reverse=True)
        assert all(row["ap"] == row["search_ap"] for row in front["rows"])
        if options[0] == "latency":
            assert all(row["postprocess_ms"] > 0 for row in front["rows"])
            assert all(row["cost"] == row["head_ms"] + row["postprocess_ms"] for row in front["rows"])
            assert front["postprocess_fit"]["fitted"] > 3
        else:
            assert all(row["cost"] == row["boxes"] for row in front["rows"])


@pytest.mark.compiles
def test_what_is_left_to_suppress_is_what_the_pruned_detector_gives_and_less_never_takes_longer(trained):
    network, data = Network.parse(DETECTOR), get_dataset("coco:few")
    means = means_of_boxes(choose(Asked(find_hardware("rk3399"), 1), runner="roofline"))
    with fed(trained, data, resolution=48, device="cpu") as feed:
        boxes = record_boxes(trained, feed.test(), slot_of_rows(network), slots_of(network))
    behind = BoxesLatency(network, trained, boxes, means, "few")
    removed = frozenset({0, 3})
    pruned = prune_detector(network, trained, removed)
    with fed(pruned, data, resolution=48, device="cpu") as feed:
        expected, found = record_candidates(pruned, feed.test()), behind.left(removed)
    assert (found.rows, found.classes, found.mean, found.p95) == (189, 6, expected.mean, expected.p95)
    for one, other in zip(dense(found), dense(expected), strict=True):
        torch.testing.assert_close(one, other)

    behind.fit("slot", choose_progress(quiet=True))
    for parent in [frozenset(), *behind.fitted]:
        for child in boxes.slots.children(parent, "slot"):
            assert 0 < behind.estimated(child) <= behind.estimated(parent)
    assert behind.error([])["fitted_error"] < 0.1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["search", "bare.safetensors"], "does not say which network it is of"),
        (["search", "none.safetensors"], "there is no file none.safetensors"),
        (["search", DETECTOR], "no weights of network"),
        (["search", "cnn_32_n10/stem_k3_s2_c8_nrelu/ds_r1_k3_s2_c16_nrelu/head"], "is no detector, and has no anchors"),
        (["search", "det.safetensors", "--cost", "money"], "--cost is one of head_macs, boxes, latency"),
        (["search", "det.safetensors", "--cost", "latency"], "--cost latency is of what follows the backbone"),
        (["search", "det.safetensors", "--drop", "2"], "--drop is a share of 1"),
        (["search", "det.safetensors", "--dataset", "digits"], "has 10 classes for classification"),
        (["apply", "bare.safetensors", "0"], "is no file of bench anchors search"),
        (["apply", "moved.json", "0"], "are no longer at"),
        (["apply", "moved.json", "3"], "has rows 0 to 0, and no 3"),
        (["apply", "moved.json", "0", "--weights", "bare.safetensors"], "is not the file that"),
    ],
)
def test_what_is_no_detector_or_no_front_is_refused_in_a_line(bench, trained, tmp_path, arguments, reason):
    (tmp_path / "bare.safetensors").write_bytes(pack_weights(trained, {}))
    moved = {"network": DETECTOR, "weights": "gone.safetensors", "weights_hash": "0", "rows": [{"removed": []}]}
    moved |= {"dataset": "coco:few", "held_out": True}
    (tmp_path / "moved.json").write_text(json.dumps(moved))
    said = bench("anchors", *arguments)
    assert said.code == 2
    assert reason in said.errors
    assert said.errors.count("\n") == 1


def test_a_row_is_trained_anew_as_the_whole_detector_was_and_compared_on_the_same_images(bench, trained, tmp_path):
    recipe = Recipe(epochs=1, batch_size=2)
    facts = {"network": DETECTOR, "recipe": recipe, "trainings": [{"seed": 3}]}
    (tmp_path / "det.safetensors").write_bytes(pack_weights(trained, facts))
    assert search(bench, "det.safetensors", "--drop", "0.5", "--no-shortcuts").code == 0
    front = json.loads((tmp_path / "anchors.json").read_text())
    options = ("anchors", "train", "anchors.json", "1", "--device", "cpu", "--quiet", "--seeds", "2")
    said = bench(*options, "--json")
    assert said.code == 0, said.errors
    found = json.loads(said.output)
    assert (found["seeds"], found["recipe_hash"]) == ([3, 4], recipe.hash)
    # By faster-coco-eval here, and by the search's own sums there.
    for name, row in (("whole", front["rows"][0]), ("pruned", front["rows"][1])):
        assert found[name]["ap"]["value"] == pytest.approx(row["ap"], abs=1e-9)
    values = [one["ap"]["value"] for one in found["each"]]
    assert found["anew"]["ap"]["value"] == pytest.approx(sum(values) / 2)

    network = Network.parse(front["rows"][1]["network"])
    with seeded(3, usable_cores()):
        module = network.build()
        train(module, get_dataset("coco:few"), recipe, resolution=48, device="cpu", seed=3, threads=usable_cores())
    written = network.build()
    load_weights(written, tmp_path / "anew.safetensors")
    assert all(torch.equal(tensor, module.state_dict()[name]) for name, tensor in written.state_dict().items())


@pytest.mark.parametrize(
    ("row", "options", "reason"),
    [
        ("1", [], "does not say how it was trained: give --recipe"),
        ("1", ["--set", "epochs=1"], "--set changes a --recipe"),
        ("0", ["--recipe", "quick"], "this row is the whole detector"),
        ("1", ["--seeds", "0"], "--seeds must be 1 or more"),
    ],
)
def test_what_cannot_be_trained_anew_is_refused_in_a_line(bench, trained, row, options, reason):
    assert search(bench, "det.safetensors", "--drop", "0.5").code == 0
    said = bench("anchors", "train", "anchors.json", row, "--device", "cpu", "--quiet", *options)
    assert said.code == 2
    assert reason in said.errors
    assert said.errors.count("\n") == 1


def test_a_heads_shapes_may_be_those_of_the_boxes(bench, trained):
    said = bench("anchors", "shapes", "ssdlite_l2_x8_sab.bf.a", "--dataset", "coco:few", "--most", "2", "--json")
    assert said.code == 0, said.errors
    found = json.loads(said.output)
    assert found["overlap"] > found["overlap_before"]
    head = DetectorHead.parse(found["head"])
    assert (sum(head.counts), max(head.counts)) == (found["slots"], 2)
    said = bench("anchors", "shapes", "ssdlite_l2_x8_sab.bf.a", "--dataset", "digits")
    assert said.code == 2
    assert "has no boxes" in said.errors
