"""Segmenters go through a sweep to a report like any other networks."""

from __future__ import annotations

import pytest

from blockfront import load
from blockfront.training.scene_masks import write_masked_scenes

SPACE = """
from blockfront.design_space import PixelDecoder, SegmenterSpace, Stage, choice

space = SegmenterSpace(
    "segmenters",
    resolution=32,
    num_classes=7,
    stem=8,
    family=choice("er", "ds"),
    stages=[Stage(depth=1, width=choice(8, 16), stride=2), Stage(depth=1, width=16, stride=2)],
    decoder=PixelDecoder("fpn", stages=2, width=16, answer="labels"),
)
"""


@pytest.mark.long
@pytest.mark.processes
def test_a_sweep_of_segmenters_ends_in_a_report_of_mean_iou(tmp_path, commands_in):
    commands = commands_in(tmp_path)
    (tmp_path / "segmenters.py").write_text(SPACE)
    write_masked_scenes(tmp_path / "few", {"train": 16, "val": 4})
    options = ("--target", "rk3399", "--runner", "roofline", "--epochs", "1", "--set", "batch_size=8", "--workers", "2")
    done = commands.run("sample", "--n", "2", "--space", "segmenters.py:space", "--dataset", "masks:few", *options)
    assert done.returncode == 0, done.stderr
    assert "front of mIoU on masks:" in done.stdout
    assert "<h1>Mean IoU against latency, by block family</h1>" in (tmp_path / "report.html").read_text()
    frame = load("segmenters-rk3399", commands.storage)
    assert (frame["state"] == "complete").all()
    assert set(frame["family"]) == {"er", "ds"}
    assert (frame["task"] == "segmentation").all()
    assert (frame["answer"] == "labels 8 × 8").all()
    assert ((frame["miou_ci95_low"] <= frame["miou"]) & (frame["miou"] <= frame["miou_ci95_high"])).all()
    assert ((frame["miou"] > 0) & (frame["miou"] < frame["pixel_accuracy"])).all()
    assert (frame["backbone_macs"] + frame["head_macs"] == frame["macs"]).all()
    assert (frame["unscheduled_kernels"] == 0).all()


def test_what_is_read_of_masks_is_told_and_classifiers_are_refused_them(bench, tmp_path):
    write_masked_scenes(tmp_path / "few", {"train": 3, "val": 3})
    (tmp_path / "few" / "masks" / "train" / "000001.png").unlink()
    told = bench("datasets", "masks:few")
    header, first, *_ = told.output.splitlines()
    assert header.split() == ["class", "train_images", "test_images", "pixels"]
    assert first.split()[:3] == ["background", "2", "3"]
    assert "skipped because the picture has no mask: 1 (images/train/000001.png)" in told.output
    said = bench("sample", "--n", "1", "--target", "rk3399", "--dataset", "masks:few", "--runner", "roofline")
    assert said.code == 2
    assert "give one answer an image, which is not segmentation; take another space, such as segment" in said.errors
    assert said.errors.count("\n") == 1
