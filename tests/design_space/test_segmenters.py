"""Networks that tell pixels apart: as data, as modules and as a space."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
import torch
from torchvision.models.segmentation.lraspp import LRASPPHead

from blockfront.design_space import Network, PixelDecoder, SegmentationNetwork, count_cost, load_space
from blockfront.design_space.image_size import OWN_SIZE
from blockfront.design_space.segmenter import WeightedDecoder
from blockfront.errors import UsageError
from blockfront.targets import compile_model, get_target
from blockfront.training import seeded

BODY = "stem_k3_s2_c16_nrelu/ir_r1_s2_c24/ir_r2_s2_c32/ir_r1_s2_c64"
DECODERS = ["fpn_l3_f24", "fpn_l1_f8_labels", "lraspp_l3_f32", "lraspp_l2_f16_labels"]


def segmenter(decoder: str, resolution: int = 64) -> SegmentationNetwork:
    network = Network.parse(f"seg_{resolution}_s7/{BODY}/{decoder}")
    assert isinstance(network, SegmentationNetwork)
    return network


@pytest.mark.parametrize("decoder", DECODERS)
def test_text_and_json_are_read_back(decoder: str) -> None:
    network = segmenter(decoder)
    assert str(network).endswith(f"/{decoder}")
    assert Network.parse(str(network)) == network == network.sized(OWN_SIZE)
    assert msgspec.json.decode(msgspec.json.encode(network), type=SegmentationNetwork) == network
    assert (network.family, network.task) == ("ir", "segmentation")


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("resolution", [64, 75])
def test_outputs_and_cost_are_those_of_the_module(decoder: str, resolution: int) -> None:
    network = segmenter(decoder, resolution)
    with seeded(0):
        module = network.build().eval()
        image = torch.randn(2, 3, resolution, resolution)
        logits = module(image)
    assert logits.shape == (2, 7, resolution, resolution)
    assert network.cost == count_cost(network.deployed(), network.signature)
    backbone = replace(network, decoder=PixelDecoder("fpn", 1, 8))
    assert network.cost.macs - (network.cost.head_macs or 0) == backbone.cost.macs - (backbone.cost.head_macs or 0)
    deployed = network.deploying(module)(image)
    if network.decoder.answer == "logits":
        torch.testing.assert_close(deployed, logits, atol=1e-4, rtol=1e-4)
        assert network.answer == f"logits {resolution} × {resolution}"
    else:
        assert network.answer == f"labels {deployed.shape[1]} × {deployed.shape[2]}"
        assert deployed.shape[1] < resolution
        assert not deployed.is_floating_point()


def test_labels_are_scored_as_they_are_deployed() -> None:
    """Each label stands for the pixels that are nearest to it."""
    with seeded(0):
        module = segmenter("fpn_l3_f24_labels").build().eval()
        image = torch.randn(1, 3, 64, 64)
    scored = module(image).argmax(1)
    labels = segmenter("fpn_l3_f24_labels").deploying(module)(image)
    assert torch.equal(scored, labels.repeat_interleave(4, 1).repeat_interleave(4, 2))


def test_decoders_have_the_costs_of_their_closed_forms() -> None:
    """Stages of 16, 8 and 4 pixels with 24, 32 and 64 channels, 7 classes: laterals, and on the finest a separable
    convolution; of LR-ASPP two layers of the coarsest, one of its mean, and one of the finest."""
    fpn = 256 * 24 * 24 + 64 * 32 * 24 + 16 * 64 * 24 + 256 * 24 * (9 + 7)
    assert segmenter("fpn_l3_f24").cost.head_macs == fpn
    lraspp = 16 * 64 * 32 + 16 * 32 * 7 + 64 * 32 + 256 * 24 * 7
    assert segmenter("lraspp_l3_f32").cost.head_macs == lraspp


def test_lraspp_is_torchvisions() -> None:
    """But for the order of classes and enlarging, which are linear both, and what ReLU6 cuts off."""
    with seeded(0):
        theirs = LRASPPHead(24, 64, 7, 32).eval()
        ours = WeightedDecoder([24, 32, 64], 32, 7).eval()
        fine, coarse = torch.randn(2, 24, 16, 16), torch.randn(2, 64, 4, 4)
    weights = theirs.state_dict()
    names = {"cbr.0": "coarse.0", "cbr.1": "coarse.1", "scale.1": "weights.1", "low_classifier": "fine_classes"}
    names["high_classifier"] = "coarse_classes"
    ours.load_state_dict(
        {
            own + name.removeprefix(their): value
            for name, value in weights.items()
            for their, own in names.items()
            if name.startswith(f"{their}.")
        }
    )
    assert theirs.cbr(coarse).max() < 6
    expected = theirs({"low": fine, "high": coarse})
    torch.testing.assert_close(ours(fine, torch.zeros(2, 32, 8, 8), coarse), expected)


def test_a_backbone_has_the_names_of_a_classifier() -> None:
    classifier = Network.parse(f"cnn_64_n7/{BODY}/head").build().state_dict()
    own = segmenter("lraspp_l2_f16").build().state_dict()
    body = {name: value.shape for name, value in classifier.items() if not name.startswith("head.")}
    assert {name: value.shape for name, value in own.items() if not name.startswith("head.")} == body


REFUSED = {
    "fpn_l4_f24": "takes the outputs of 4 stages, and there are fewer",
    "lraspp_l1_f24": "one stage or more, lraspp two",
    "fpn_l0_f24": "one stage or more",
    "unet_l2_f24": "is or gives one of fpn, lraspp, not 'unet'",
    "fpn_l2": "is not <decoder>_l<stages>",
}


@pytest.mark.parametrize("decoder", REFUSED)
def test_what_is_no_decoder_says_why(decoder: str) -> None:
    with pytest.raises(UsageError, match=REFUSED[decoder]):
        segmenter(decoder)


def test_networks_that_find_boxes_or_classify_are_not_taken_for_segmenters() -> None:
    with pytest.raises(UsageError, match=r"space detect say where things are by boxes, .* such as segment"):
        load_space("detect", 96, 7, "segmentation")
    with pytest.raises(UsageError, match="by pixels, which is not classification; take another space, such as mobile"):
        load_space("segment", 64, 7, "classification")
    with pytest.raises(UsageError, match="DetectionNetwork is no network for segmentation"):
        Network.parse("det_64_s7/stem_k3_s2_c16_nrelu/ir_r1_s2_c24/ssdlite_l1_sa")


@pytest.mark.parametrize(("space", "answer"), [("segment", "logits"), ("segment_labels", "labels")])
def test_a_preset_has_networks_of_every_family_within_its_macs(space: str, answer: str) -> None:
    preset = load_space(space, 64, 7, "segmentation")
    networks = [preset.sample(0, index) for index in range(12)]
    assert len({network.family for network in networks}) == 12
    for network in networks:
        assert isinstance(network, SegmentationNetwork)
        assert network.decoder.answer == answer
        assert network.cost.head_macs
    assert preset.definition()["decoder"] == str(networks[0].decoder)


@pytest.mark.compiles
@pytest.mark.parametrize(
    ("decoder", "resized"), [("fpn_l2_f8", 32 * 32), ("fpn_l2_f8_labels", 0), ("lraspp_l2_f8", 32 * 32 + 8 * 8)]
)
def test_segmenters_are_compiled_and_compared_with_torch(decoder: str, resized: int) -> None:
    """Kernels count the two neighbours of every pixel of the three classes that is resized along its rows as well."""
    network = Network.parse(f"seg_32_s3/stem_k3_s2_c8_nrelu/er_r1_s2_c8/er_r1_s2_c8/{decoder}")
    program = compile_model(network.deployed(), network.signature, get_target("rk3399"), threads=1, seed=0)
    (output,) = program.outputs
    assert output.shape == ((1, 8, 8) if decoder.endswith("labels") else (1, 3, 32, 32))
    assert sum(kernel.macs * kernel.calls for kernel in program.kernels) == network.cost.macs + 2 * 3 * resized
