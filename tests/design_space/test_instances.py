"""Networks that find masks: detectors of both kinds whose head has prototypes."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
import torch

from blockfront.anchors import prune_detector, slot_of_rows
from blockfront.design_space import AnchorNetwork, Network, count_cost, load_space
from blockfront.errors import UsageError
from blockfront.services.trained_detector import find_detector
from blockfront.tasks import TASKS
from blockfront.training import pack_weights, seeded

BODY = "det_32_i2/stem_k3_s2_c8_nrelu/er_r1_k3_s2_e2_c8_se0_nrelu/er_r1_k3_s2_e2_c16_se0_nrelu"
NETWORKS = [
    f"{BODY}/ssdlite_l2_f8_x8_p4_sabc.ab.0",
    f"{BODY}/ssd_l2_p3_s0.ab",
    f"{BODY}/retina_l2_f8_t1_p4_sab.ab",
    "vitdet_32_i2/p8_d3_w16_h2_m2/cropr_r3/sfp_s4/ssdlite_l2_f8_p4_sab.ab",
]


def network_of(text: str) -> AnchorNetwork:
    network = Network.parse(text)
    assert isinstance(network, AnchorNetwork)
    return network


@pytest.mark.parametrize("text", NETWORKS)
def test_every_anchor_has_coefficients_and_every_image_prototypes(text: str) -> None:
    network = network_of(text)
    assert str(network) == text
    assert msgspec.json.decode(msgspec.json.encode(network), type=type(network)) == network
    assert network.cost == count_cost(network.deployed(), network.signature)
    with seeded(0):
        module, images = network.build().eval(), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        found = module(images)
        deployed = network.deploying(module)(images)
    TASKS[network.task].check(found, 2, 2)
    count = network.head.prototypes
    finest = next(side for side, slots in zip(network.maps, network.head.slots, strict=True) if slots)
    assert found.coefficients.shape == (2, network.boxes, count)
    assert found.coefficients.abs().max() <= 1
    assert found.prototypes.shape == (2, count, 2 * finest, 2 * finest)
    assert found.prototypes.min() >= 0
    assert list(deployed) == ["logits", "deltas", "coefficients", "prototypes"]
    for name, one in deployed.items():
        torch.testing.assert_close(one, getattr(found, name), rtol=1e-4, atol=1e-4)


def test_a_sliced_head_keeps_the_coefficients_of_the_anchors_that_are_left() -> None:
    network = network_of(NETWORKS[0])
    with seeded(0):
        module = network.build().eval()
    pruned = prune_detector(network, module, {0, 3})
    left = [row for row, slot in enumerate(slot_of_rows(network)) if slot not in (0, 3)]
    image = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        whole, sliced = module(image), pruned(image)
    torch.testing.assert_close(sliced.coefficients, whole.coefficients[:, left], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(sliced.prototypes, whole.prototypes, rtol=1e-4, atol=1e-5)


def test_detectors_keep_the_names_from_before_there_were_masks() -> None:
    assert Network.parse("det_32_d2/stem_k3_s2_c8_nrelu/er_r1_k3_s2_e2_c8_se0_nrelu/ssd_l1_sa").id == "443d415df13f"


def test_tasks_and_heads_fit_each_other() -> None:
    with pytest.raises(UsageError, match="is no head for instances"):
        Network.parse(f"{BODY}/ssd_l1_sa")
    with pytest.raises(UsageError, match="a network for instances has a head with prototypes"):
        Network.parse(f"{BODY}/ssd_l1_p4_sa".replace("_i2", "_d2"))
    with pytest.raises(UsageError, match="is no head for instances"):
        load_space("detect", task="instances").sample(0, 0)


@pytest.mark.parametrize(("name", "like"), [("instances", "detect"), ("vit_instances", "vit_detect")])
def test_the_presets_are_those_of_boxes_with_masks(name: str, like: str) -> None:
    one = load_space(name).compose(lambda name, dimension: dimension.values[0])[1]
    other = load_space(like).compose(lambda name, dimension: dimension.values[0])[1]
    assert isinstance(one, AnchorNetwork)
    assert isinstance(other, AnchorNetwork)
    assert replace(one, task="detection", head=replace(one.head, prototypes=0)) == other
    assert one.cost.macs > other.cost.macs


def test_anchors_are_not_searched_where_masks_count(tmp_path) -> None:
    network = Network.parse(NETWORKS[0])
    file = tmp_path / "net.safetensors"
    file.write_bytes(pack_weights(network.build(), {"network": str(network)}))
    with pytest.raises(UsageError, match="anchors are searched by the AP of boxes alone"):
        find_detector(str(file), None, "sqlite:///none.db")
