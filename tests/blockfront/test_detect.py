"""Detectors go through a sweep to a report like any other networks."""

from __future__ import annotations

import pytest

from blockfront import load
from blockfront.errors import UsageError
from blockfront.services.trained_detector import find_detector
from blockfront.study.weights import kept_weights
from blockfront.training.scenes import write_scenes

SPACE = """
from blockfront.design_space import DetectorHead, DetectorSpace, Stage, choice

space = DetectorSpace(
    "detectors",
    resolution=48,
    num_classes=6,
    stem=8,
    family=choice("er", "ds"),
    stages=[Stage(depth=1, width=choice(8, 16), stride=2), Stage(depth=1, width=16, stride=2)],
    detector=DetectorHead.of("ssdlite", stages=2),
)
"""


@pytest.mark.processes
def test_a_sweep_of_detectors_ends_in_a_report_of_ap(tmp_path, commands_in):
    commands = commands_in(tmp_path)
    (tmp_path / "detectors.py").write_text(SPACE)
    write_scenes(tmp_path / "few", {"train": 16, "val": 4})
    options = ("--target", "rk3399", "--runner", "roofline", "--epochs", "1", "--set", "batch_size=8", "--workers", "2")
    data = ("--space", "detectors.py:space", "--dataset", "coco:few", "--runner", "roofline")
    done = commands.run("sample", "--n", "2", *data, *options)
    assert done.returncode == 0, done.stderr
    assert "front of AP on coco:" in done.stdout
    assert "<h1>AP against latency, by block family</h1>" in (tmp_path / "report.html").read_text()
    frame = load("detectors-rk3399", commands.storage)
    assert (frame["state"] == "complete").all()
    assert set(frame["family"]) == {"er", "ds"}
    assert (frame["task"] == "detection").all()
    assert ((frame["ap"] >= 0) & (frame["ap"] <= frame["ap50"])).all()
    assert (frame["backbone_macs"] + frame["head_macs"] == frame["macs"]).all()
    assert (frame["boxes"] == 6 * (12**2 + 6**2)).all()
    assert (frame["unscheduled_kernels"] == 0).all()
    assert (frame["total_ms"] == frame["latency_ms"] + frame["postprocess_ms"]).all()
    assert (frame["postprocess_ms"] > 0).all()
    assert (frame["candidates"] <= frame["candidates_p95"]).all()
    kept = kept_weights(commands.storage)[0]
    (number,) = frame.loc[frame["network_id"] == kept.network_id, "trial"]
    found = find_detector(f"detectors-rk3399:{number}", None, commands.storage)
    assert (found.network.id, found.weights) == (kept.network_id, kept.path)
    assert (found.dataset or "").startswith("coco:")
    with pytest.raises(UsageError, match="has no network number 9"):
        find_detector("detectors-rk3399:9", None, commands.storage)


def test_a_space_of_classifiers_is_no_space_for_boxes(bench, tmp_path):
    write_scenes(tmp_path / "few", {"train": 3, "val": 3})
    said = bench("sample", "--n", "1", "--target", "rk3399", "--dataset", "coco:few", "--runner", "roofline")
    assert said.code == 2
    assert "networks of space mobile give one answer an image, which is not detection" in said.errors
    assert said.errors.count("\n") == 1
