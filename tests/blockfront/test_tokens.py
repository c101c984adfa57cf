"""`bench tokens` on a transformer of the user's, and the latency of what it makes."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import timm
import torch
from PIL import Image
from timm.models._registry import _model_pretrained_cfgs

from blockfront.design_space import Network
from blockfront.services.transformers import load_transformer
from blockfront.training import get_dataset, seeded

MODEL = "vit_16_n2/p4_d2_w32_h2_m2"


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Weights, and pictures of two classes that a colour tells apart, in the layout of an image folder."""
    folder = tmp_path_factory.mktemp("tokens")
    with seeded(0):
        torch.save({"state_dict": Network.parse(MODEL).build().state_dict()}, folder / "weights.pt")
    for split, count in (("train", 12), ("val", 5)):
        for label, colour in enumerate(("red", "blue")):
            for number in range(count):
                path = folder / "pictures" / split / f"class{label}" / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (20, 20), colour).save(path)
    return ("--dataset", f"folder:{folder / 'pictures'}", "--checkpoint", str(folder / "weights.pt"))


def _ran(said):
    assert said.code == 0, said.errors
    return json.loads(said.output)


@pytest.mark.compiles
def test_thresholds_are_learned_fixed_compared_and_timed(bench, given):
    learned = _ran(bench("tokens", "learn", MODEL, *given, "--target", "0.8", "--batch-size", "4", "--json"))
    assert learned["steps"] == 6
    assert {step: len(values) for step, values in learned["thresholds"].items()} == {"merge": 2, "prune": 2}
    fixed = _ran(bench("tokens", "calibrate", MODEL, "reduction.pt", *given, "--images", "10", "--json"))
    assert fixed["images"] == 10
    assert fixed["macs"] == pytest.approx(fixed["dynamic_macs"], rel=0.05)
    compared = _ran(bench("tokens", "evaluate", MODEL, *given, "--reduction", "static.pt", "--json"))
    dynamic, static, plain = compared["networks"]
    assert (compared["test_images"], dynamic["network"], static["network"]) == (10, "ltmp dynamic", "ltmp static")
    assert static["macs"] == fixed["macs"] < plain["macs"]
    assert dynamic["agreement"] == 1
    timed = _ran(
        bench("profile", MODEL, "--reduction", "static.pt", "--target", "rk3399", "--runner", "roofline", "--json")
    )
    assert timed["token_counts"] == "calibrated on 10 images"
    assert timed["max_rel_error"] <= 1e-4


def test_mixed_precision_and_a_capacity_are_taken(bench, given):
    _ran(bench("tokens", "learn", MODEL, *given, "--amp", "--batch-size", "8", "--json"))
    fixed = _ran(
        bench(
            "tokens",
            "calibrate",
            MODEL,
            "reduction.pt",
            *given,
            "--capacity",
            "0.9",
            "--multiple",
            "2",
            "--amp",
            "--json",
        )
    )
    assert fixed["merges"] is None
    assert all(length % 2 == 0 or length == 17 for length in fixed["lengths"])
    compared = _ran(bench("tokens", "evaluate", MODEL, *given, "--reduction", "static.pt", "--amp", "--json"))
    assert len(compared["networks"]) == 3


def test_pretrained_weights_are_timms_own(bench, given, tmp_path, monkeypatch):
    """Through timm's own loading, from a file where its registry has an address."""
    theirs = timm.create_model("test_vit", num_classes=2)
    torch.save(theirs.state_dict(), tmp_path / "published.pt")
    name = "test_vit.r160_in1k"
    published = replace(_model_pretrained_cfgs[name], file=str(tmp_path / "published.pt"), num_classes=2)
    monkeypatch.setitem(_model_pretrained_cfgs, name, published)
    loaded = load_transformer(name, get_dataset(given[1]), None, pretrained=True)
    assert all(value.equal(theirs.state_dict()[key]) for key, value in loaded.state_dict().items())
    assert loaded.pretrained_cfg["mean"] == published.mean
    compared = _ran(bench("tokens", "evaluate", name, *given[:2], "--json"))
    assert compared["networks"][0]["network"] == "plain"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("learn", "mobilenetv2_100", "--no-pretrained"), "mobilenetv2_100 is no plain vision transformer"),
        (("learn", "deit_tiny_patch16_224"), "knows 1000 classes and .* has 2: give a --checkpoint"),
        (("learn", MODEL), f"no pretrained weights of {MODEL}: give --checkpoint, or --no-pretrained"),
        (("learn", MODEL, "--checkpoint", "none.pt"), "no such checkpoint: none.pt"),
        (("learn", MODEL, "--checkpoint", "tiny.py"), "tiny.py does not fit"),
        (("learn", MODEL, "--no-pretrained", "--merge-rate", "0"), "--merge-rate must be above 0"),
        (("learn", MODEL, "--no-pretrained", "--target", "2"), "target 2.0 is out of range"),
        (("learn", MODEL, "--no-pretrained", "--output", "none/r.pt"), "none"),
        (("calibrate", MODEL, "tiny.py", "--no-pretrained"), "tiny.py cannot be read as a token reduction"),
        (("evaluate", MODEL, "--no-pretrained", "--device", "cuda"), "this machine has no cuda"),
        (("evaluate", MODEL.replace("n2", "n3"), "--no-pretrained"), "knows 3 classes and .* has 2"),
    ],
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device that it says it lacks")
def test_what_is_wrong_is_said_in_one_line(bench, given, arguments, complaint):
    said = bench("tokens", arguments[0], *arguments[1:], *given[:2])
    assert said.code == 2
    assert said.errors.count("\n") == 1
    assert re.search(complaint, said.errors)


def test_thresholds_without_counts_are_not_timed(bench, given):
    _ran(bench("tokens", "learn", MODEL, *given, "--batch-size", "8", "--json"))
    said = bench(
        "profile", MODEL, "--reduction", "reduction.pt", "--runner", "roofline", "--target", "rk3399", "--quiet"
    )
    assert said.code == 2
    assert "run bench tokens calibrate" in said.errors
