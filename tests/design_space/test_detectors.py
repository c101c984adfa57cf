"""Detectors as data, as modules and as a space."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from blockfront.design_space import CnnNetwork, DetectionNetwork, DetectorHead, Network, count_cost, load_space
from blockfront.design_space.detector import LevelHeads
from blockfront.design_space.dimension import values_of
from blockfront.design_space.preset import MOBILE_FAMILIES
from blockfront.design_space.presets import mobile
from blockfront.errors import UsageError
from blockfront.targets import compile_model, get_target
from blockfront.training import seeded

BODY = "stem_k3_s2_c16_nrelu/ir_r1_s2_c24/ir_r2_s2_c32/ir_r2_s2_c64/ir_r2_s2_c128"
HEADS = [
    "ssdlite_l3_x64_sabcdef.abcdef.abcdef.abcdef",
    "ssdlite_l3_f48_x64_sabdf.abcdef.0.abd",
    "ssdlite_l2_f48_x64.64_s0.0.abc.0",
    "ssd_l3_x64_sabcdef.abdf.a.0",
    "ssd_l2_f32_sa.b",
    "retina_l3_f32_x32.32_t2_sabcdefghi.abcdefghi.0.abcdefghi.abcdefghi",
]


def detector(head: str, resolution: int = 96, classes: int = 6) -> DetectionNetwork:
    network = Network.parse(f"det_{resolution}_d{classes}/{BODY}/{head}")
    assert isinstance(network, DetectionNetwork)
    return network


@pytest.mark.parametrize("head", HEADS)
def test_text_and_json_are_read_back(head: str) -> None:
    network = detector(head)
    assert str(network).endswith(f"/{head}")
    assert Network.parse(str(network)) == network
    assert msgspec.json.decode(msgspec.json.encode(network), type=DetectionNetwork) == network
    assert network.family == "ir"


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("resolution", [96, 75])
def test_boxes_and_cost_are_those_of_the_module(head: str, resolution: int) -> None:
    network = detector(head, resolution)
    with seeded(0):
        module = network.build().eval()
        outputs = module(torch.randn(2, 3, resolution, resolution))
    assert outputs.logits.shape == (2, network.boxes, 6 + network.head.background)
    assert outputs.deltas.shape == (2, network.boxes, 4)
    assert outputs.anchors.shape == (network.boxes, 4)
    assert network.cost == count_cost(network.deployed(), network.signature)
    backbone = replace(network, head=DetectorHead.parse("ssd_l1_sa"))
    same = network.cost.macs - (network.cost.head_macs or 0)
    assert same == backbone.cost.macs - (backbone.cost.head_macs or 0)


def test_counts_of_heads_are_their_closed_forms() -> None:
    """Levels of 12, 6 and 3 pixels with 32, 64 and 128 channels, and one of 2 pixels with 64 behind them: of an SSDLite
    level H W C (2·9 + A (classes + 5)), of a dense one H W C 9 A (classes + 5), and an extra level of C/2 channels."""
    slots, classes = (4, 6, 6, 4), 6
    text = "sabdf.abcdef.abcdef.abdf"
    lite, dense = (detector(f"{kind}_l3_x64_{text}").cost.head_macs for kind in ("ssdlite", "ssd"))
    levels = list(zip((12, 6, 3, 2), (32, 64, 128, 64), slots, strict=True))
    extra = 3 * 3 * 128 * 32 + 2 * 2 * 32 * (9 + 64)
    assert lite == extra + sum(side**2 * width * (18 + a * (classes + 5)) for side, width, a in levels)
    extra = 3 * 3 * 128 * 32 + 2 * 2 * 32 * 9 * 64
    assert dense == extra + sum(side**2 * width * 9 * a * (classes + 5) for side, width, a in levels)
    assert detector("ssdlite_l3_x64_sabcdef.abcdef.abcdef.abcdef").boxes == 6 * (144 + 36 + 9 + 4)
    assert detector("ssdlite_l3_x64_sabcdef.abcdef.abcdef.abcdef").boxes == 1158


def test_a_backbone_has_the_names_and_weights_of_a_classifier() -> None:
    classifier = Network.parse(f"cnn_96_n6/{BODY}/head").build()
    module = detector(HEADS[0]).build()
    body = {name: one for name, one in classifier.state_dict().items() if not name.startswith("head.")}
    own = module.state_dict()
    assert {name for name in own if not name.startswith("head.")} == set(body)
    module.load_state_dict({**own, **body})
    module.eval(), classifier.eval()
    image = torch.randn(1, 3, 96, 96)
    torch.testing.assert_close(module.blocks(module.stem(image)), classifier.blocks(classifier.stem(image)))


def test_an_empty_level_has_no_layers() -> None:
    names = {name for name, _ in detector("ssdlite_l3_f48_x64_s0.abc.0.0").build().head.named_parameters()}
    assert {name.split(".")[1] for name in names if name.startswith("own.")} == {"1"}
    assert not any(name.startswith(("lateral.0.", "smooth.0.", "smooth.2.", "extra.")) for name in names)
    assert any(name.startswith("lateral.2.") for name in names)


def test_rows_are_slots_of_places_of_levels() -> None:
    head = DetectorHead.parse("ssdlite_l2_sabc.ab")
    levels = LevelHeads(head, [8, 8], num_classes=1)
    with torch.no_grad():
        for modules in levels.own.values():
            for module in modules:
                module[-1].weight.zero_()
                module[-1].bias.copy_(torch.arange(len(module[-1].bias)).float())
    logits, _ = levels(torch.zeros(1, 8, 3, 3), torch.zeros(1, 8, 2, 2))
    assert logits[0, :, 0].tolist() == [0, 2, 4] * 9 + [0, 2] * 4
    anchors = head.anchors((3, 2))
    assert anchors[0, :2].tolist() == pytest.approx([1 / 6, 1 / 6])
    assert anchors[3, :2].tolist() == pytest.approx([1 / 2, 1 / 6])
    assert anchors[27, :2].tolist() == pytest.approx([1 / 4, 1 / 4])


@given(st.sampled_from(HEADS))
def test_anchors_have_the_ratios_and_areas_of_their_slots(head: str) -> None:
    spec = DetectorHead.parse(head)
    for level, shapes in zip(spec.slots, spec.shapes(), strict=True):
        assert len(level) == len(shapes)
    if "a" in spec.slots[0] and spec.kind != "retina":
        width, height = spec.shapes()[0][0]
        assert (width, height) == pytest.approx((0.1, 0.1))
    if len(spec.slots[0]) > 1 and spec.slots[0][1] == "b" and spec.kind != "retina":
        width, height = spec.shapes()[0][1]
        assert (width * height, height / width) == pytest.approx((0.01, 2))


def test_a_new_detector_takes_every_anchor_for_background() -> None:
    for head in (HEADS[0], HEADS[5]):
        module = detector(head).build().eval()
        outputs = module(torch.randn(1, 3, 96, 96))
        assert outputs.probabilities().max() < 0.05
        assert outputs.probabilities().min() > 0.0005


REFUSED = {
    "ssdlite_l3_sabc.abc": "as many lists of slots, not 2",
    "ssdlite_l2_sba.abc": "slots 'ba' are not letters",
    "ssdlite_l2_saa.abc": "slots 'aa' are not letters",
    "ssdlite_l2_sz.abc": "slots 'z' are not letters",
    "ssdlite_l2_s0.0": "at least one anchor",
    "ssdlite_l2_t2_sa.a": "only the head of retina has towers",
    "retina_l2_sabc.abc": "give a pyramid",
    "retina_l2_f32_sabc.ab": "give all that have slots the same",
    "yolo_l2_sabc.abc": "is one of ssdlite, ssd, retina",
    "ssdlite_l5_sa.a.a.a.a": "outputs of 5 stages, and there are fewer",
    "ssdlite": "is not <head>_l<stages>",
}


@pytest.mark.parametrize("head", REFUSED)
def test_what_is_no_head_says_why(head: str) -> None:
    with pytest.raises(UsageError, match=REFUSED[head]):
        detector(head)


def test_networks_and_tasks_fit_each_other() -> None:
    with pytest.raises(UsageError, match="CnnNetwork is no network for detection"):
        Network.parse(f"cnn_96_d6/{BODY}/head")
    with pytest.raises(UsageError, match="DetectionNetwork is no network for classification"):
        Network.parse(f"det_96_n6/{BODY}/{HEADS[0]}")
    with pytest.raises(UsageError, match="space mobile give one answer an image, which is not detection"):
        mobile(96, 6).with_input(task="detection")
    with pytest.raises(UsageError, match="say where things are by boxes, which is not classification"):
        load_space("detect", task="classification")


def test_the_preset_has_detectors_of_the_mobile_families_within_its_bounds() -> None:
    space = load_space("detect")
    assert values_of(space.family) == MOBILE_FAMILIES
    networks = [space.sample(0, index) for index in range(3)]
    assert len({network.family for network in networks}) == 3
    for network in networks:
        assert isinstance(network, DetectionNetwork)
        assert not isinstance(network, CnnNetwork)
        assert str(network).startswith("det_96_d6/")
        assert 5e6 <= network.cost.macs <= 25e6
        assert network.boxes == 1158
        assert 0 < (network.cost.head_macs or 0) < network.cost.macs / 2
    large = load_space("detect", 320, 80).compose(lambda name, dimension: dimension.values[0])[1]
    assert isinstance(large, DetectionNetwork)
    assert large.boxes == 6 * (400 + 100 + 25 + 9 + 4 + 1)


def test_the_preset_of_coco_s_shape_has_the_boxes_and_the_head_of_ssdlite() -> None:
    network = load_space("detect_320").sample(0, 0)
    assert isinstance(network, DetectionNetwork)
    assert (network.resolution, network.num_classes) == (320, 80)
    assert 150e6 <= network.cost.macs <= 900e6
    # Boxes of SSDLite at 320 pixels (mmdet's configuration), and of each level a depthwise and a pointwise pair.
    assert network.boxes == 3234
    widths = [stage.width for stage in network.stages[-2:]] + [512, 256, 256, 128]
    sides = (20, 10, 5, 3, 2, 1)
    heads = sum(side**2 * width * (2 * 9 + 6 * (81 + 4)) for side, width in zip(sides, widths, strict=True))
    extras = sum(
        side**2 * before * (wide // 2) + (-(-side // 2)) ** 2 * (wide // 2) * (9 + wide)
        for side, before, wide in zip(sides[1:5], widths[1:5], widths[2:], strict=True)
    )
    assert network.cost.head_macs == heads + extras


@pytest.mark.compiles
@pytest.mark.long
def test_a_detector_of_coco_s_shape_compiles_for_a_board() -> None:
    network = load_space("detect_320").sample(0, 5)
    program = compile_model(network.deployed(), network.signature, get_target("rk3399"), threads=1, seed=0)
    assert [output.shape for output in program.outputs] == [(1, 3234, 81), (1, 3234, 4)]
    assert not program.unscheduled_kernels
    assert program.max_rel_error <= 1e-4


@pytest.mark.compiles
@pytest.mark.parametrize("head", [HEADS[1], HEADS[5]])
def test_what_is_deployed_is_compiled_whole_and_agrees_with_torch(head: str) -> None:
    network = detector(head, 48)
    program = compile_model(network.deployed(), network.signature, get_target("rk3399"), threads=1, seed=0)
    assert [output.name for output in program.outputs] == ["logits", "deltas"]
    assert [output.shape[1] for output in program.outputs] == [network.boxes] * 2
    assert not program.unscheduled_kernels
    assert program.max_rel_error <= 1e-4
