"""Networks that find masks: trained, and compiled whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockfront.design_space import Network
from blockfront.sweep.stages import Job, train_network
from blockfront.targets import compile_model, get_target
from blockfront.training import Recipe, get_dataset
from blockfront.training.scenes import write_scenes

NETWORKS = [
    "det_32_i6/stem_k3_s2_c8_nrelu/er_r1_s2_c8/er_r1_s2_c16/ssdlite_l2_f8_p4_sab.ab",
    "vitdet_32_i6/p8_d3_w16_h2_m2/cropr_r3/sfp_s4/ssdlite_l2_f8_p4_sab.ab",
]


@pytest.mark.parametrize("text", NETWORKS)
def test_a_network_learns_and_is_scored_by_masks_and_boxes(text: str, tmp_path: Path) -> None:
    write_scenes(tmp_path / "few", {"train": 16, "val": 4}, masks=True)
    network = Network.parse(text)
    job = Job(network.id, str(network), seed=0, threads=1)
    dataset = get_dataset(f"coco_instances:{tmp_path / 'few'}")
    (training,) = train_network(job, dataset, Recipe(epochs=1, batch_size=8), "cpu").parts["trainings"]
    assert set(training.scores) >= {"mask_ap", "mask_ap50", "mask_ap75", "ap", "ap50", "ap75"}
    assert next(iter(training.scores)) == "mask_ap"


@pytest.mark.compiles
def test_coefficients_and_prototypes_are_compiled_and_agree_with_torch() -> None:
    network = Network.parse("det_32_i2/stem_k3_s2_c8_nrelu/er_r1_s2_c8/ssd_l1_p4_sab")
    program = compile_model(network.deployed(), network.signature, get_target("rk3399"), threads=1, seed=0)
    assert [output.name for output in program.outputs] == ["logits", "deltas", "coefficients", "prototypes"]
    assert not program.unscheduled_kernels
    assert program.max_rel_error <= 1e-4
