"""Vision transformers that find boxes, as data, as modules and as a space."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor, nn

from blockfront.anchors import prune_detector, pruned_network, slot_of_rows
from blockfront.design_space import (
    AnchorNetwork,
    DetectionNetwork,
    DetectorHead,
    Network,
    VitDetectionNetwork,
    count_cost,
    load_space,
)
from blockfront.design_space.vit_detector import RasterHead, RasterHeads, VitDetector
from blockfront.errors import UsageError
from blockfront.tasks import TASKS, present_classes
from blockfront.training import seeded

SIZES = "vitdet_32_d3/p4_d4_w32_h2_m2"
HEAD = "/sfp_s4/ssdlite_l3_f16_x16_sabc.0.abd.ab"
REDUCTIONS = [
    "",
    "/ltmp_target0.7_variant=merge",
    "/tome_r5",
    "/cropr_r5",
    "/cropr_r5_fusion=false",
    "/evit_keep0.6_fuse=false_fusion=last",
    "/random_r5_fusion=last",
]


DETECTORS = {
    DetectionNetwork: "det_32_d6/stem_k3_s2_c8_nrelu/er_r1_s2_c8/er_r1_s2_c16/ssdlite_l2_f8_sab.ab",
    VitDetectionNetwork: SIZES + HEAD,
}


def vit_detector(text: str) -> VitDetectionNetwork:
    network = Network.parse(text)
    assert isinstance(network, VitDetectionNetwork)
    return network


def spread(network: VitDetectionNetwork) -> VitDetector:
    """A module of it whose boxes are not all alike, as those of a new head would be."""
    with seeded(0):
        module = network.build().eval()
        for name, parameter in module.named_parameters():
            if name.startswith(("head.own", "head.shared")):
                nn.init.normal_(parameter, std=0.3)
    assert isinstance(module, VitDetector)
    return module


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_text_json_and_closed_forms_are_those_of_the_module(reduction: str) -> None:
    network = vit_detector(SIZES + reduction + HEAD)
    assert str(network) == SIZES + reduction + HEAD
    assert msgspec.json.decode(msgspec.json.encode(network), type=VitDetectionNetwork) == network
    assert network.cost == count_cost(network.deployed(), network.signature)
    assert network.cost.head_macs == count_cost(network.build_head(), network.head_signature).macs


@pytest.mark.parametrize("reduction", [one for one in REDUCTIONS if "ltmp" not in one])
def test_what_is_deployed_gives_what_was_scored(reduction: str) -> None:
    network = vit_detector(SIZES + reduction + HEAD)
    module, images = spread(network), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        scored = module(images)
        deployed = network.deploying(module)(images)
    TASKS[network.task].check(scored, 2, 3)
    assert scored.anchors.shape == (network.boxes, 4) == (64 * 3 + 4 * 3 + 2, 4)
    for name, found in deployed.items():
        torch.testing.assert_close(found, getattr(scored, name), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("stride", "sides"), [(4, (9, 5, 3)), (2, (18, 9, 5)), (1, (36, 18, 9))])
def test_levels_have_the_strides_of_their_text(stride: int, sides: tuple[int, ...]) -> None:
    network = vit_detector(f"vitdet_36_d3/p4_d1_w32_h2_m1/sfp_s{stride}/ssd_l3_f8_sa.a.a")
    assert network.maps == sides
    assert network.build()(torch.randn(1, 3, 36, 36)).logits.shape[1] == sum(side**2 for side in sides)
    assert network.cost == count_cost(network.deployed(), network.signature)


def test_a_level_sees_its_place_of_the_raster_alone_but_for_its_convolutions() -> None:
    """What is in the first patch reaches the first box of every level, and never the last of a fine one."""
    head = RasterHeads(RasterHead(DetectorHead.parse("ssdlite_l3_f8_sa.a.a"), 1), (16,), 2).eval()
    for module in head.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.uniform_(module.weight, 0, 0.05)
    image = torch.rand(1, 16, 8, 8, requires_grad=True)
    found = head(image)[0].sum(-1)[0]
    rows = (0, 255, 256, 319, 320)

    def reaches(row: int) -> Tensor:
        return torch.autograd.grad(found[row], image, retain_graph=True)[0].abs().sum(1)[0]

    first, last, second, end, coarse = (reaches(row) for row in rows)
    assert first[0, 0] > 0 == first[3:].sum()
    assert last[-1, -1] > 0 == last[:5].sum()
    assert second[0, 0] > 0 == second[4:].sum()
    assert end[-1, -1] > 0 == end[:4].sum()
    assert coarse.sum() > 0 == coarse[6:].sum()


@pytest.mark.parametrize(
    ("head", "removed"),
    [
        ("ssdlite_l3_f16_x16_sabc.ab.abd.ab", {0, 1, 2}),
        ("ssdlite_l3_f16_x16_sabc.ab.abd.ab", {1, 3, 4, 6}),
        ("retina_l2_f16_x16_t1_sabc.abc.abc", {1, 4, 7}),
    ],
)
def test_a_sliced_head_gives_the_rows_of_the_whole_one(head: str, removed: set[int]) -> None:
    network = vit_detector(f"{SIZES}/tome_r5/sfp_s2/{head}")
    module = spread(network)
    pruned = prune_detector(network, module, removed)
    left = [row for row, slot in enumerate(slot_of_rows(network)) if slot not in removed]
    image = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        whole, sliced = module(image), pruned(image)
    torch.testing.assert_close(sliced.logits, whole.logits[:, left], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(sliced.deltas, whole.deltas[:, left], rtol=1e-4, atol=1e-4)
    assert torch.equal(sliced.anchors, whole.anchors[left])
    assert pruned_network(network, removed).boxes == len(left)


def test_a_level_without_slots_has_no_layers_of_the_pyramid() -> None:
    names = {name for name, _ in vit_detector(f"{SIZES}/sfp_s2/ssdlite_l3_f16_s0.abc.0").build().named_parameters()}
    own = {tuple(name.split(".")[1:3]) for name in names if name.startswith("head.")}
    assert own == {("lateral", "1"), ("smooth", "1"), ("own", "1")}


TARGETS = [[[-1, 0, 0, 1, 1, 1024, 0], [1, 0.1, 0.1, 0.6, 0.6, 256, 0], [2, 0.5, 0.5, 0.9, 0.9, 164, 1]]] * 2


def test_cropr_learns_from_the_classes_that_an_image_has() -> None:
    """One query a module, binary cross-entropy of the classes present; what is ignored is not among them."""
    network = vit_detector(SIZES + "/cropr_r5" + HEAD)
    with seeded(0):
        module = network.build().train()
    assert isinstance(module, VitDetector)
    targets, images = TASKS["detection"].targets(TARGETS, 3), torch.randn(2, 3, 32, 32)
    assert present_classes(targets, 3).tolist() == [[0, 1, 0]] * 2
    run = module.run(images)
    assert [logits.shape for logits in run.auxiliary] == [(2, 3)] * 2
    assert {scorer.queries.shape[0] for scorer in module.reducer.scorers} == {1}  # type: ignore[union-attr]
    wanted = torch.tensor([[0.0, 1.0, 0.0]] * 2)
    known = [-(wanted * p.log() + (1 - wanted) * (1 - p).log()).mean() for p in map(torch.sigmoid, run.auxiliary)]
    loss = module.loss(images, targets, lambda outputs, targets: outputs.logits.sum() * 0 + 5)
    torch.testing.assert_close(loss, 5 + torch.stack(known).sum())
    full = module.loss(images, targets, lambda outputs, targets: TASKS["detection"].loss(outputs, targets, 0.0))
    full.backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_the_preset_draws_as_many_distinct_detectors_of_each_family_within_its_macs() -> None:
    space = load_space("vit_detect")
    networks = [space.sample(0, index) for index in range(12)]
    families = ("vit", "vit_cropr", "vit_evit", "vit_ltmp", "vit_random", "vit_tome")
    assert Counter(network.family for network in networks) == dict.fromkeys(families, 2)
    assert len({network.id for network in networks}) == 12
    assert all(8e6 <= network.cost.macs <= 60e6 for network in networks)
    assert {network.boxes for network in networks if isinstance(network, VitDetectionNetwork)} == {1158}
    large = load_space("vit_detect", 320, 80).compose(lambda name, dimension: dimension.values[0])[1]
    assert isinstance(large, VitDetectionNetwork)
    assert large.boxes == 6 * (400 + 100 + 25 + 9 + 4 + 1)
    with pytest.raises(UsageError, match="patches of 16 pixels do not divide 225"):
        load_space("vit_detect", 225)


REFUSED = {
    f"vitdet_32_n3/p4_d4_w32_h2_m2{HEAD}": "VitDetectionNetwork is no network for classification",
    f"{SIZES}/sfp_s3/ssdlite_l1_sa": "has a stride of the patch, a half or a quarter of it, not 3",
    f"{SIZES}/sfp_s0/ssdlite_l1_sa": "has a stride of the patch, a half or a quarter of it, not 0",
    "vitdet_32_d3/p8_d4_w32_h2_m2/sfp_s1/ssdlite_l1_sa": "a half or a quarter of it, not 1",
    f"{SIZES}/ssdlite_l1_sa": "is not vitdet_<resolution>_d<classes>/p",
    f"{SIZES}/tome_r5/ssdlite_l1_sa": "segment 'tome_r5' of the network is not sfp_s<stride",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_such_network_says_why(text: str) -> None:
    with pytest.raises(UsageError, match=REFUSED[text]):
        Network.parse(text)


@pytest.mark.parametrize("kind", AnchorNetwork.__subclasses__())
def test_whatever_finds_boxes_says_how_its_outputs_are_decoded(kind: type[AnchorNetwork]) -> None:
    network = Network.parse(DETECTORS[kind])
    assert isinstance(network, kind)
    detector: Any = network.build().eval()
    with torch.inference_mode():
        outputs = detector(torch.randn(2, 3, 32, 32))
        decoded = detector.decoding()(outputs.logits, outputs.deltas)
    assert decoded["scores"].shape == (2, network.boxes, outputs.logits.shape[-1] - detector.background)
    assert decoded["boxes"].shape == (2, network.boxes, 4)
