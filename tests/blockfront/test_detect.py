"""Detectors go through a sweep to a report like any other networks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from blockfront import load
from blockfront.design_space import Network
from blockfront.errors import UsageError
from blockfront.services.trained_detector import find_detector
from blockfront.study.weights import kept_weights
from blockfront.sweep.plan import resolve
from blockfront.sweep.postprocessing import dense, record_candidates
from blockfront.sweep.request import make_request
from blockfront.tasks.boxes import decode
from blockfront.training.scenes import write_scenes
from tests.blockfront.conftest import sweep_of_two


@pytest.mark.processes
@pytest.mark.long
def test_a_sweep_of_detectors_ends_in_a_report_of_ap(tmp_path, commands_in):
    commands = commands_in(tmp_path)
    write_scenes(tmp_path / "few", {"train": 16, "val": 4})
    printed, report, frame = sweep_of_two(commands, "detectors", "coco:few")
    assert "front of AP on coco:" in printed
    assert "<h1>AP against latency, by block family</h1>" in report
    assert set(frame["family"]) == {"er", "ds"}
    assert (frame["task"] == "detection").all()
    assert ((frame["ap"] >= 0) & (frame["ap"] <= frame["ap50"])).all()
    assert (frame["boxes"] == 6 * (12**2 + 6**2)).all()
    assert (frame["total_ms"] == frame["latency_ms"] + frame["postprocess_ms"]).all()
    assert (frame["postprocess_ms"] > 0).all()
    assert (frame["candidates"] <= frame["candidates_p95"]).all()
    assert set(frame["postprocess_toolchain"]) == {"tvm"}
    assert frame["total_missing"].isna().all()
    kept = kept_weights(commands.storage)[0]
    (number,) = frame.loc[frame["network_id"] == kept.network_id, "trial"]
    found = find_detector(f"places:{number}", None, commands.storage)
    assert (found.network.id, found.weights) == (kept.network_id, kept.path)
    assert (found.dataset or "").startswith("coco:")
    with pytest.raises(UsageError, match="has no network number 9"):
        find_detector("places:9", None, commands.storage)


@pytest.mark.long
@pytest.mark.processes
def test_measured_detectors_and_those_of_another_runtime_have_a_total_too(tmp_path, commands_in):
    """Post-processing is timed here after all trainings, of trainings that were taken over as well."""
    pytest.importorskip("onnxruntime")
    commands = commands_in(tmp_path)
    write_scenes(tmp_path / "few", {"train": 16, "val": 4})
    data = ("--space", "tiny.py:detectors", "--dataset", "coco:few", "--epochs", "1", "--set", "batch_size=8")
    for study, *options in (("ours", "--threads", "1"), ("theirs", "--toolchain", "onnxruntime", "--threads", "1")):
        done = commands.run("sample", "--n", "1", "--study", study, "--target", "host", *data, *options)
        assert done.returncode == 0, done.stderr
    ours, theirs = (load(study, commands.storage).iloc[0] for study in ("ours", "theirs"))
    assert (ours["toolchain"], theirs["toolchain"]) == ("tvm", "onnxruntime")
    for row in (ours, theirs):
        assert row["state"] == "complete"
        assert row["postprocess_toolchain"] == "tvm"
        assert row["total_ms"] == row["latency_ms"] + row["postprocess_ms"] > row["latency_ms"]
    assert ours["candidates"] == theirs["candidates"]


def test_hardware_without_a_processor_says_why_there_is_no_total(tmp_path):
    write_scenes(tmp_path / "few", {"train": 3, "val": 3})
    plan = resolve(make_request(space="detect", dataset=f"coco:{tmp_path / 'few'}", target="eyeriss_like", n=1))
    assert plan.boxes is None
    assert (
        plan.notes[-1] == "post-processing is code for processors, and eyeriss_like is none: its rows have no total_ms"
    )


def test_candidates_are_kept_as_suppression_sees_them():
    torch.manual_seed(0)
    detector = Network.parse("det_32_d3/stem_k3_s2_c8_nrelu/ds_r1_k3_s2_c8_nrelu6/ssdlite_l1_sabcd").build()
    for classes, _ in detector.head.own.values():
        nn.init.normal_(classes[-1].weight, std=2.0)
    images = torch.randn(3, 3, 32, 32)
    found = record_candidates(detector, [(images, images)])
    with torch.inference_mode():
        outputs = detector(images)
        whole, corners = outputs.probabilities(), decode(outputs.deltas, outputs.anchors)
    counts = (whole > found.threshold).flatten(1).sum(1)
    scores, boxes = dense(found)
    kept = int((counts == (scores > 0).sum()).nonzero()[0])
    assert (found.mean, found.rows, found.classes) == (pytest.approx(float(counts.float().mean())), 256, 3)
    assert abs(counts[kept] - found.mean) == (counts - found.mean).abs().min()
    above = whole[kept] > found.threshold
    assert torch.equal(scores[0], torch.where(above, whole[kept], 0))
    assert torch.equal(boxes[0][above.any(1)], corners[kept][above.any(1)])


def test_a_value_of_a_size_that_no_test_object_has_is_refused_before_anything_is_written(bench, tmp_path):
    write_scenes(tmp_path / "few", {"train": 2, "val": 4})
    options = ("--space", "detect", "--dataset", f"coco:{tmp_path / 'few'}", "--target", "rk3399", "--quiet")
    said = bench("sample", *options, "--runner", "roofline", "--value", "ap_large")
    assert said.code == 2
    assert "no object that counts is large (9216 pixels of area or more); take --value ap or ap50 or" in said.errors
    assert said.errors.count("\n") == 1
    assert not (tmp_path / "bench.db").exists()


def test_a_space_of_classifiers_is_no_space_for_boxes(bench, tmp_path):
    write_scenes(tmp_path / "few", {"train": 3, "val": 3})
    said = bench("sample", "--n", "1", "--target", "rk3399", "--dataset", "coco:few", "--runner", "roofline")
    assert said.code == 2
    assert "networks of space mobile give one answer an image, which is not detection" in said.errors
    assert said.errors.count("\n") == 1
