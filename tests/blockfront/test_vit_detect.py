"""Vision transformers that find boxes: trained with what their methods learn, and through a sweep to a report."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockfront.design_space import Network
from blockfront.results import Score
from blockfront.sweep.stages import Job, train_network
from blockfront.targets import compile_model, get_target
from blockfront.training import Recipe, get_dataset
from blockfront.training.scenes import write_scenes
from tests.blockfront.conftest import sweep_of_two

HEAD = "sfp_s4/ssdlite_l3_f16_sab.ab.ab"


@pytest.fixture
def few(tmp_path: Path) -> Path:
    write_scenes(tmp_path / "few", {"train": 16, "val": 4})
    return tmp_path / "few"


@pytest.mark.parametrize("reduction", ["cropr_r3", "ltmp_target0.8_variant=merge"])
def test_a_detector_is_trained_with_what_its_method_learns(reduction: str, few: Path) -> None:
    scores = learned_scores(f"vitdet_32_d6/p8_d3_w16_h2_m2/{reduction}/{HEAD}", reduction, f"coco:{few}")
    assert 0 <= scores["ap"].value <= scores["ap50"].value


def learned_scores(text: str, reduction: str, dataset: str) -> dict[str, Score]:
    """Scores of a transformer that was trained on 16 pictures with what its method learns."""
    network = Network.parse(text)
    job = Job(network.id, str(network), seed=0, threads=1)
    parts = train_network(job, get_dataset(dataset), Recipe(epochs=2, batch_size=8), "cpu").parts
    assert ("adaptations" in parts) == reduction.startswith("ltmp")
    if "adaptations" in parts:
        plan = parts["adaptations"]["token_counts"].artefact
        assert plan["images"] == 16
        assert plan["lengths"][-1] < 17
    (training,) = parts["trainings"]
    return training.scores


@pytest.mark.compiles
def test_finer_and_coarser_levels_compile_with_every_kernel_scheduled() -> None:
    """Of a map with an odd side, so that pooling meets a border."""
    network = Network.parse("vitdet_40_d6/p8_d1_w16_h2_m1/sfp_s4/ssdlite_l3_f8_sa.a.a")
    program = compile_model(network.deployed(), network.signature, get_target("rk3399"), seed=0)
    assert [output.name for output in program.outputs] == ["logits", "deltas"]
    assert program.unscheduled_kernels == ()
    assert program.max_rel_error <= 1e-4


@pytest.mark.long
@pytest.mark.processes
def test_a_sweep_of_transformers_that_detect_ends_in_a_report_of_ap(few, commands_in):
    printed, _, frame = sweep_of_two(commands_in(few.parent), "vit_detectors", "coco:few", workers=1)
    assert "front of AP on coco:" in printed
    assert set(frame["family"]) == {"vit_ltmp", "vit_cropr"}
    assert (frame["boxes"] == 6 * (8**2 + 4**2)).all()
    assert (frame["total_ms"] == frame["latency_ms"] + frame["postprocess_ms"]).all()
