"""Every kind of network, and every task of it, through what commands ask of a network, whichever it is."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from blockfront.blocks.tokens import assume_counts
from blockfront.design_space import Network, count_cost
from blockfront.design_space.known import known_network
from blockfront.design_space.models import find_model
from blockfront.design_space.network import KINDS
from blockfront.results import COLUMNS, Adapted
from blockfront.services.preparation import find_preparation
from blockfront.signature import leaves
from blockfront.sweep.postprocessing import dense, record_candidates
from blockfront.tasks import TASKS
from blockfront.tasks.box_suppression import FIELDS, box_steps, find_boxes, find_objects
from blockfront.tasks.task import PairedEvaluator
from blockfront.training import pack_weights

STEM = "stem_k3_s2_c8_nrelu/er_r1_s2_c8"
VIT = "p8_d3_w16_h2_m2/cropr_r3"
NETWORKS = {
    "cnn": [f"cnn_32_n5/{STEM}/head"],
    "vit": [f"vit_32_n5/{VIT}", "vit_32_n5/p8_d3_w16_h2_m2/ltmp_target0.8"],
    "seg": [f"seg_32_s5/{STEM}/er_r1_s2_c16/fpn_l2_f8", f"seg_32_s5/{STEM}/er_r1_s2_c16/fpn_l2_f8_labels"],
    "vitseg": [f"vitseg_32_s5/{VIT}", f"vitseg_32_s5/{VIT}/labels"],
    "det": [
        f"det_32_d5/{STEM}/ssdlite_l1_sab",
        f"det_32_d5/{STEM}/retina_l1_f8_t1_sab",
        f"det_32_i5/{STEM}/ssd_l1_p4_sab",
    ],
    "vitdet": [
        f"vitdet_32_d5/{VIT}/sfp_s4/ssdlite_l2_f8_sab.ab",
        "vitdet_32_d5/p8_d3_w16_h2_m2/ltmp_target0.8_variant=merge/sfp_s4/ssdlite_l2_f8_sab.ab",
        f"vitdet_32_i5/{VIT}/sfp_s8/ssdlite_l2_f8_p4_sab.ab",
    ],
    "known": ["known_3x32x32/mobilenetv3_small_050"],
}
TEXTS = [text for texts in NETWORKS.values() for text in texts]
FINDING_BOXES = [text for text in TEXTS if TASKS[Network.parse(text).task].places == "boxes"]


def test_no_kind_and_no_task_is_forgotten() -> None:
    assert set(NETWORKS) == set(KINDS)
    assert {Network.parse(text).task for text in TEXTS} == set(TASKS)


@pytest.mark.parametrize("name", list(TASKS))
def test_what_int8_costs_has_columns_for_every_task(name: str) -> None:
    assert isinstance(TASKS[name].evaluator(5), PairedEvaluator)
    assert {f"{TASKS[name].value}_float", f"{TASKS[name].value}_drop"} <= set(COLUMNS)


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_handed_over_of_a_network_builds_it_again(text: str, tmp_path: Path) -> None:
    network, model = Network.parse(text), find_model(text)
    assert model.source is not None
    names: dict[str, Any] = {}
    exec(model.source[0], names)
    module = eval(model.source[1], names)
    preparation = find_preparation(model, module, None)
    assert preparation is not None
    assert "32 x 32" in preparation.describe(32, 32)
    file = tmp_path / "trained.safetensors"
    file.write_bytes(pack_weights(module, {"network": text}))
    image = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        given = leaves(find_model(str(file)).whole()(image))
        wanted = leaves(network.deploying(module)(image))
    assert [name for name, _ in given] == [name for name, _ in wanted]
    for (_, one), (_, other) in zip(given, wanted, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("text", TEXTS)
def test_what_a_head_costs_is_known_whatever_data_decide_and_of_a_file_of_weights(text: str, tmp_path: Path) -> None:
    network = Network.parse(text)
    whole: Any = network.build()
    assert (network.cost.head_macs is not None) == (TASKS[network.task].places != "")
    if network.adaptation is not None:
        found = assume_counts(whole)
        cost = network.cost_of(network.deployed(found), found)
        assert (cost.macs, cost.head_macs) == (network.cost.macs, network.cost.head_macs)
    if network.kind != "known":
        file = tmp_path / "trained.safetensors"
        file.write_bytes(pack_weights(whole, {"network": text}))
        assert known_network(str(file)).cost == network.cost


@pytest.mark.parametrize("text", FINDING_BOXES)
def test_what_follows_a_network_takes_what_it_gives(text: str) -> None:
    """Also as its adaptation has it: what is timed on recorded candidates is what was found."""
    network = Network.parse(text)
    torch.manual_seed(0)
    built: Any = network.build().eval()
    image = torch.randn(1, 3, 32, 32)
    given = dict(leaves(network.deploying(deepcopy(built))(image)))
    module = built if network.adaptation is None else network.adaptation.adapt(built, None)
    candidates = record_candidates(module, [(image, torch.zeros(1))])
    steps = box_steps(module)
    parts = [given[name] for name in ("coefficients", "prototypes") if name in given]
    assert module.finds_masks == (network.task == "instances") == bool(parts)
    assert candidates.prototypes == (tuple(parts[1].shape[1:]) if parts else None)
    signed = steps.signed(*dense(candidates), parts)
    assert list(signed) == ["decode", "suppress", "masks"][: len(signed)]
    found = {}
    for step, signature in signed.values():
        assert all(one.name in given or one.name in found for one in signature.inputs)
        found |= step(*signature.random(0))
    there = found["detections"][0, :, 0] >= 0
    assert torch.equal(found["detections"][0, there, :FIELDS], find_boxes(module, image))
    if parts:
        boxes, masks = find_objects(module, image)
        assert torch.equal(boxes, find_boxes(module, image))
        assert masks.shape == (len(boxes), 32, 32)
        anchors = found["detections"][0, there, FIELDS].long()
        wanted = torch.einsum("pk,khw->phw", parts[0][0, anchors], parts[1][0])
        torch.testing.assert_close(found["masks"][0, there], wanted)


@pytest.mark.parametrize("text", [text for text in TEXTS if "ltmp" in text])
def test_trained_weights_run_with_the_counts_that_data_decided(text: str, tmp_path: Path) -> None:
    """Their file says them: here those of a smaller target."""
    network = Network.parse(text)
    smaller: Any = Network.parse(text.replace("0.8", "0.5")).build()
    found = Adapted(msgspec.to_builtins(assume_counts(smaller)), {}, {})
    file = tmp_path / "trained.safetensors"
    file.write_bytes(pack_weights(network.build(), {"network": text, "adaptations": {"token_counts": found}}))
    model = find_model(str(file))
    deployed = Network.parse(text.replace("0.8", "0.5")).deployed()
    assert count_cost(model.whole(), model.signature).macs == count_cost(deployed, model.signature).macs
    assert count_cost(model.whole(), model.signature).macs < network.cost.macs
