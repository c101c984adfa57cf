"""Blocks against the papers' own networks and arithmetic."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import nn

from blockfront.blocks import create_block, deploy


def shapes(module: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(parameter.shape) for parameter in module.parameters()]


def same_function(module: nn.Module, reference: nn.Module, in_chs: int) -> bool:
    """Whether the two agree once they have the same weights in the same order."""
    module.load_state_dict(dict(zip(module.state_dict(), reference.state_dict().values(), strict=True)))
    images = torch.randn(2, in_chs, 8, 8)
    return torch.allclose(module.eval()(images), reference.eval()(images), atol=1e-5)


@pytest.mark.parametrize(
    ("index", "in_chs", "out_chs", "stride", "expansion"),
    [(1, 32, 16, 1, 1), (2, 16, 24, 2, 6), (3, 24, 24, 1, 6)],
)
def test_ir_is_mobilenetv2s_block(index: int, in_chs: int, out_chs: int, stride: int, expansion: int) -> None:
    reference = torchvision.models.mobilenet_v2().features[index]
    block = create_block("ir", in_chs, out_chs, stride, expansion=expansion)
    assert same_function(block, reference, in_chs)


@pytest.mark.parametrize(("stage", "in_chs", "out_chs", "stride"), [("layer1", 64, 64, 1), ("layer2", 64, 128, 2)])
def test_basic_is_resnet18s_block(stage: str, in_chs: int, out_chs: int, stride: int) -> None:
    reference = getattr(torchvision.models.resnet18(), stage)[0]
    assert same_function(create_block("basic", in_chs, out_chs, stride), reference, in_chs)


@pytest.mark.parametrize(
    ("stage", "in_chs", "out_chs", "stride", "group_size"),
    [("layer1", 64, 256, 1, 4), ("layer2", 256, 512, 2, 8)],
)
def test_resnext_is_resnext50s_block(stage: str, in_chs: int, out_chs: int, stride: int, group_size: int) -> None:
    reference = getattr(torchvision.models.resnext50_32x4d(), stage)[0]
    block = create_block("resnext", in_chs, out_chs, stride, group_size=group_size)
    assert same_function(block, reference, in_chs)


def test_shufflenet_v2_is_torchvisions_block() -> None:
    reference = torchvision.models.shufflenet_v2_x1_0().stage2
    assert same_function(create_block("shufflenet_v2", 24, 116, 2), reference[0], 24)
    assert same_function(create_block("shufflenet_v2", 116, 116), reference[1], 116)


def test_shufflenet_v2_changes_the_width_without_a_stride() -> None:
    assert create_block("shufflenet_v2", 16, 24, 1)(torch.zeros(2, 16, 8, 8)).shape == (2, 24, 8, 8)


def test_fire_is_squeezenets_module() -> None:
    reference = torchvision.models.squeezenet1_0().features[3]
    assert same_function(create_block("fire", 96, 128), reference, 96)


def test_ghost_is_ghostnets_bottleneck() -> None:
    reference = timm.create_model("ghostnet_100").blocks[1][0]
    assert same_function(create_block("ghost", 16, 24, 2, expansion=3), reference, 16)


def test_uir_is_mobilenetv4s_block() -> None:
    reference = timm.create_model("mobilenetv4_conv_small").blocks[2]
    assert same_function(create_block("uir", 64, 96, 2, kernel=5, expansion=3), reference[0], 64)
    assert same_function(create_block("uir", 96, 96, expansion=2, variant="ib"), reference[1], 96)
    assert same_function(create_block("uir", 96, 96, expansion=4, variant="convnext"), reference[5], 96)


def test_ir_se_is_mobilenetv3s_block() -> None:
    reference = timm.create_model("mobilenetv3_large_100").blocks[4][1]
    assert same_function(create_block("ir_se", 112, 112, expansion=6), reference, 112)


def test_er_is_efficientnet_edgetpus_block() -> None:
    reference = timm.create_model("efficientnet_es").blocks[1][0]
    assert same_function(create_block("er", 24, 32, 2, expansion=8), reference, 24)


def test_mixconv_is_mixnets_depthwise_layer() -> None:
    reference = timm.create_model("mixnet_s").blocks[3][0].conv_dw
    layer = create_block("mixconv", 40, 80, 2, kernel=7)[0].conv_dw
    assert [tuple(conv.kernel_size) for conv in layer.values()] == [
        tuple(conv.kernel_size) for conv in reference.values()
    ]
    assert shapes(layer) == shapes(reference)


def test_convnext_is_the_papers_block_and_downsampling() -> None:
    reference = timm.create_model("convnext_atto", conv_mlp=False, kernel_sizes=7).stages[1]
    stage = nn.Sequential(reference.downsample, reference.blocks[0])
    assert same_function(create_block("convnext", 40, 80, 2), stage, 40)


def test_rep_trains_mobileones_branches() -> None:
    reference = timm.create_model("mobileone_s0").stages[0]
    assert same_function(create_block("rep", 48, 48, 2, branches=4), nn.Sequential(*list(reference.children())[:2]), 48)


def test_deploy_fuses_rep_into_two_convolutions_with_the_same_output() -> None:
    block = create_block("rep", 16, 16, branches=3)
    for _ in range(3):
        block(torch.randn(8, 16, 8, 8))
    fused = deploy(block)
    # 16 depthwise 3x3 windows and a 16x16 matrix, each with 16 biases.
    assert sum(parameter.numel() for parameter in fused.parameters()) == 16 * 9 + 16 + 16 * 16 + 16
    images = torch.randn(2, 16, 8, 8)
    assert torch.allclose(fused(images), block.eval()(images), atol=1e-5)
    assert not fused.training


def test_deploy_fuses_a_bare_block_and_leaves_the_original_alone() -> None:
    block = create_block("rep", 8, 8)[0].train()
    before = shapes(block)
    assert len(shapes(deploy(block))) == 2
    assert shapes(block) == before
    assert block.training


def test_shufflenet_v1_shortcuts_add_or_concatenate() -> None:
    images = torch.randn(1, 16, 8, 8)
    for out_chs, stride, shortcut in (
        (16, 1, images),
        (24, 2, nn.AvgPool2d(3, 2, 1)(images)),
        (24, 1, images),
    ):
        block = create_block("shufflenet_v1", 16, out_chs, stride).eval()
        nn.init.zeros_(block.expand[0].weight)
        assert torch.allclose(block(images)[:, :16], shortcut.relu())
        assert not block(images)[:, 16:].any()


def test_shufflenet_v1_mixes_its_groups() -> None:
    block = create_block("shufflenet_v1", 64, 64, groups=4).eval()
    images = torch.randn(1, 64, 4, 4, requires_grad=True)
    block(images)[:, :16].sum().backward()
    assert images.grad is not None
    # The shortcut leads to the first of the four groups of 16 only; the shuffle leads to all.
    assert (images.grad.abs().sum(dim=(0, 2, 3)).reshape(4, 16).sum(dim=1) > 0).all()
