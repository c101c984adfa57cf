"""Vision transformers that segment, as data, as modules and as a space."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
import torch

from blockfront.design_space import Network, VitSegmentationNetwork, count_cost, load_space
from blockfront.errors import UsageError
from blockfront.tasks import TASKS
from blockfront.training import seeded

SIZES = "vitseg_32_s5/p4_d4_w32_h2_m2"
REDUCTIONS = [
    "",
    "/ltmp_target0.7_variant=merge",
    "/tome_r5",
    "/cropr_r5",
    "/cropr_r5_fusion=concat",
    "/cropr_r5_fusion=false",
    "/evit_keep0.6_fuse=false_fusion=last",
    "/random_r5_fusion=last",
    "/tome_r5/labels",
    "/labels",
]


def _segmenter(reduction: str) -> VitSegmentationNetwork:
    network = Network.parse(SIZES + reduction)
    assert isinstance(network, VitSegmentationNetwork)
    return network


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_text_json_and_closed_forms_are_those_of_the_module(reduction: str) -> None:
    network = _segmenter(reduction)
    assert str(network) == SIZES + reduction
    assert msgspec.json.decode(msgspec.json.encode(network), type=VitSegmentationNetwork) == network
    assert network.cost == count_cost(network.deployed(), network.signature)
    assert network.cost.head_macs == 65 * 32 * 5, "one linear layer on every token"


@pytest.mark.parametrize("reduction", [one for one in REDUCTIONS if "ltmp" not in one])
def test_what_is_deployed_gives_what_was_scored(reduction: str) -> None:
    network = _segmenter(reduction)
    with seeded(0):
        module = network.build().eval()
        images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        scored = module(images)
        deployed = network.deploying(module)(images)
    TASKS[network.task].check(scored, 2, 5)
    assert scored.shape == (2, 5, 32, 32)
    if network.labels:
        assert network.answer == "labels 8 × 8"
        assert deployed.repeat_interleave(4, 1).repeat_interleave(4, 2).equal(scored.argmax(1))
    else:
        assert network.answer == "logits 32 × 32"
        torch.testing.assert_close(deployed, scored, rtol=1e-4, atol=1e-5)


def test_spellings_of_one_fusion_are_one_network() -> None:
    """And classifiers from before there were three ways keep their ids."""
    for first, second in [
        ("cropr_r5", "cropr_r5_fusion=last"),
        ("cropr_r5_fusion=false", "cropr_r5_fusion=none"),
        ("random_r5", "random_r5_fusion=none"),
        ("evit_keep0.6_fusion=last", "evit_keep0.6_fuse=false_fusion=last"),
    ]:
        assert _segmenter(f"/{first}").id == _segmenter(f"/{second}").id
    ids = {
        "cropr_r5": "0c49ef6f8162",
        "cropr_r5_fusion=false": "a2de49f872d0",
        "random_r5": "178bdc405ffb",
        "evit_keep0.6": "4aeca283a718",
    }
    assert {text: Network.parse(f"vit_32_n10/p4_d4_w32_h2_m2/{text}").id for text in ids} == ids


@pytest.mark.parametrize(
    ("name", "resolution", "patches"),
    [("vit_segment", 64, {64, 256}), ("vit_segment_labels", 224, {196, 256, 784, 1024})],
)
def test_the_preset_draws_as_many_distinct_segmenters_of_each_family_within_its_macs(
    name: str, resolution: int, patches: set[int]
) -> None:
    space = load_space(name, resolution, 7)
    networks = [space.sample(0, index) for index in range(12)]
    families = ("vit", "vit_cropr", "vit_evit", "vit_ltmp", "vit_random", "vit_tome")
    assert Counter(network.family for network in networks) == dict.fromkeys(families, 2)
    assert len({network.id for network in networks}) == 12
    pixels = (resolution / 64) ** 2
    assert all(4e6 * pixels <= network.cost.macs <= 40e6 * pixels for network in networks)
    assert {(resolution // network.patch) ** 2 for network in networks} <= patches
    assert {network.labels for network in networks} == {name.endswith("labels")}


def test_classifiers_do_not_segment_and_segmenters_do_not_classify() -> None:
    with pytest.raises(UsageError, match="VitSegmentationNetwork is no network for classification"):
        Network.parse("vitseg_32_n5/p4_d4_w32_h2_m2")
    with pytest.raises(UsageError, match="VitNetwork is no network for segmentation"):
        Network.parse("vit_32_s5/p4_d4_w32_h2_m2")
    with pytest.raises(UsageError, match="no patch divides 97 pixels into 8 to 16 a side"):
        load_space("vit_segment", 97, 5)
    with pytest.raises(UsageError, match=r"'vitseg_32_s5' is not vitseg_<resolution>_n<classes>/p"):
        VitSegmentationNetwork.from_segments(["vitseg_32_s5"])
