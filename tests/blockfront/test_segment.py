"""Segmenters go through a sweep to a report like any other networks."""

from __future__ import annotations

import pytest

from blockfront.training.scene_masks import write_masked_scenes
from tests.blockfront.conftest import sweep_of_two


@pytest.mark.long
@pytest.mark.processes
def test_a_sweep_of_segmenters_ends_in_a_report_of_mean_iou(tmp_path, commands_in):
    write_masked_scenes(tmp_path / "few", {"train": 16, "val": 4})
    printed, report, frame = sweep_of_two(commands_in(tmp_path), "segmenters", "masks:few")
    assert "front of mIoU on masks:" in printed
    assert "<h1>Mean IoU against latency, by block family</h1>" in report
    assert set(frame["family"]) == {"er", "ds"}
    assert (frame["task"] == "segmentation").all()
    assert (frame["answer"] == "labels 8 × 8").all()
    assert ((frame["miou_ci95_low"] <= frame["miou"]) & (frame["miou"] <= frame["miou_ci95_high"])).all()
    assert ((frame["miou"] > 0) & (frame["miou"] < frame["pixel_accuracy"])).all()


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
