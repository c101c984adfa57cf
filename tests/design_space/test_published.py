"""Published accuracies: which table it is, and which row a name means."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import timm

import blockfront.design_space.published as module
from blockfront.design_space.published import default_checkpoint, published, published_sizes
from blockfront.digest import digest
from blockfront.results import wilson95

TABLE = Path(module.__file__).with_name("timm_imagenet.csv")


@pytest.fixture(scope="module")
def rows():
    with TABLE.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_table_is_the_one_whose_origin_stands_beside_it():
    about = json.loads(TABLE.with_suffix(".json").read_text())
    assert digest(TABLE.read_bytes()) == about["sha256"]
    assert about["version"] in module.ORIGIN


def test_every_row_is_found_by_its_checkpoint_and_image_size(rows):
    for row in rows:
        training = published(row["model"], int(row["img_size"]))
        assert training.scores["top1"].value == pytest.approx(float(row["top1"]) / 100)
        assert (training.source, training.checkpoint, training.epochs) == ("published", row["model"], 0)
    top1 = published("resnet18.a1_in1k", 224).scores["top1"]
    assert (top1.low, top1.high) == pytest.approx(wilson95(0.71504, 50_000))


def test_a_checkpoint_has_an_accuracy_at_the_size_that_it_is_profiled_at(rows):
    for row in rows:
        assert timm.get_pretrained_cfg(row["model"]).input_size[-1] in published_sizes(row["model"])


def test_a_name_without_a_tag_means_timms_default_or_else_one_with_an_accuracy(rows):
    names = {row["model"] for row in rows}
    for architecture in sorted({name.partition(".")[0] for name in names}):
        default = f"{architecture}.{timm.get_pretrained_cfg(architecture).tag}"
        assert default_checkpoint(architecture) == default or default not in names
        assert default_checkpoint(architecture) in names


def test_what_has_no_accuracy_stays_what_it_is():
    assert default_checkpoint("resnet18.a2_in1k") == "resnet18.a2_in1k"
    assert default_checkpoint("torchvision:resnet18") == "torchvision:resnet18"
    assert default_checkpoint("test_coatnet") == "test_coatnet"
    assert published_sizes("torchvision:resnet18") == []
