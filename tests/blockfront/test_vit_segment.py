"""Vision transformers that segment: trained with what their methods learn, and through a sweep to a report."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockfront.design_space import Network
from blockfront.targets import compile_model, get_target
from blockfront.training.scene_masks import write_masked_scenes
from tests.blockfront.conftest import sweep_of_two
from tests.blockfront.test_vit_detect import learned_scores


@pytest.fixture
def few(tmp_path: Path) -> Path:
    write_masked_scenes(tmp_path / "few", {"train": 16, "val": 4})
    return tmp_path / "few"


@pytest.mark.parametrize("reduction", ["cropr_r3", "ltmp_target0.8_variant=merge"])
def test_a_segmenter_is_trained_with_what_its_method_learns(reduction: str, few: Path) -> None:
    scores = learned_scores(f"vitseg_32_s7/p8_d3_w16_h2_m2/{reduction}", reduction, f"masks:{few}")
    assert 0 < scores["miou"].value < scores["pixel_accuracy"].value


@pytest.mark.compiles
def test_labels_of_patches_compile_with_every_kernel_scheduled() -> None:
    network = Network.parse("vitseg_32_s7/p8_d2_w16_h2_m2/tome_r3/labels")
    program = compile_model(network.deployed(), network.signature, get_target("rk3399"), seed=0)
    assert program.unscheduled_kernels == ()
    assert program.max_rel_error <= 1e-4


@pytest.mark.long
@pytest.mark.processes
def test_a_sweep_of_transformers_that_segment_ends_in_a_report_of_mean_iou(few, commands_in):
    printed, report, frame = sweep_of_two(commands_in(few.parent), "vit_segmenters", "masks:few", workers=1)
    assert "front of mIoU on masks:" in printed
    assert "<h1>Mean IoU against latency" in report
    assert set(frame["family"]) == {"vit_ltmp", "vit_cropr"}
    assert (frame["answer"] == "logits 32 × 32").all()
    assert frame["miou"].between(0, 1).all()
