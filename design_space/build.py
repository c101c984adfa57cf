"""From the parts of a network to a module."""

from __future__ import annotations

import math
from collections import OrderedDict
from itertools import accumulate

import torch
from timm.layers import create_act_layer
from torch import nn

from blockfront.blocks import create_block
from blockfront.design_space.spec import Head, StageSpec, Stem
from blockfront.errors import UsageError


class ConvolutionalNetwork(nn.Module):
    """Stem, stages and head of a spec, with He's initialisation (arXiv:1502.01852)."""

    def __init__(self, stem: Stem, stages: tuple[StageSpec, ...], head: Head, num_classes: int) -> None:
        super().__init__()
        self.stem = build_stem(stem)
        self.blocks = build_blocks(stem.width, stages)
        self.head = build_head(stages[-1].width if stages else stem.width, head, num_classes)
        initialize(self)
        # A small classifier prefers no class at the start.
        nn.init.normal_(self.head.get_parameter("classifier.weight"), std=0.01)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) to logits (N, num_classes)."""
        return self.head(self.blocks(self.stem(x)))

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """The order of its layers as timm asks for it, such as for learning rates that fall from layer to layer."""
        return {"stem": r"^stem", "blocks": r"^blocks\.(\d+)"}


class StagedBackbone(nn.Module):
    """Stem and stages, of which the outputs of the last `count` stages are handed out; named as a classifier's."""

    def __init__(self, stem: Stem, stages: tuple[StageSpec, ...], count: int) -> None:
        super().__init__()
        self.stem = build_stem(stem)
        self.blocks = build_blocks(stem.width, stages)
        self.ends = list(accumulate(stage.depth for stage in stages))[-count:]

    def staged(self, image: torch.Tensor) -> list[torch.Tensor]:
        """(N, 3, H, W) to the outputs of these stages, the finest first."""
        x, found, start = self.stem(image), [], 0
        for end in self.ends:
            x = self.blocks[start:end](x)
            found.append(x)
            start = end
        return found


def family_of_stages(stages: tuple[StageSpec, ...]) -> str:
    """The block type that stages are made of, or "mixed"."""
    blocks = {stage.block for stage in stages}
    return blocks.pop() if len(blocks) == 1 else "mixed"


def check_strides(resolution: int, stem: Stem, stages: tuple[StageSpec, ...]) -> None:
    """Raise `UsageError` when strides exceed the resolution."""
    total = stem.total_stride * math.prod(stage.stride for stage in stages)
    if total > resolution:
        raise UsageError(
            f"strides of {total} in all leave nothing of {resolution} pixels; raise the resolution or lower a stride"
        )


def build_stem(stem: Stem) -> nn.Sequential:
    """(N, 3, H, W) to (N, width, H / total_stride, W / total_stride)."""
    layers = _conv_norm_act(3, stem.width, stem.kernel, stem.stride, stem.act)
    if stem.pool:
        layers["pool"] = nn.MaxPool2d(3, 2, 1)
    return nn.Sequential(layers)


def build_blocks(in_chs: int, stages: tuple[StageSpec, ...]) -> nn.Sequential:
    """The blocks of all stages, one after the other."""
    blocks: list[nn.Module] = []
    for stage in stages:
        for position in range(stage.depth):
            stride = stage.stride if position == 0 else 1
            blocks.append(create_block(stage.block, in_chs, stage.width, stride, **dict(stage.options)))
            in_chs = stage.width
    return nn.Sequential(*blocks)


def build_head(in_chs: int, head: Head, num_classes: int) -> nn.Sequential:
    """(N, in_chs, H, W) to logits (N, num_classes)."""
    layers = _conv_norm_act(in_chs, head.width, 1, 1, head.act) if head.width else OrderedDict()
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["classifier"] = nn.Linear(head.width or in_chs, num_classes)
    return nn.Sequential(layers)


def initialize(module: nn.Module) -> None:
    """Give convolutions and linear layers weights that keep the variance of their inputs, and zero biases.

    Fan-in rather than fan-out, since fire blocks have no normalisation to correct the scale. Normalisation
    layers and layer scales keep what their blocks gave them.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _conv_norm_act(in_chs: int, out_chs: int, kernel: int, stride: int, act: str) -> OrderedDict[str, nn.Module]:
    return OrderedDict(
        conv=nn.Conv2d(in_chs, out_chs, kernel, stride, kernel // 2, bias=False),
        norm=nn.BatchNorm2d(out_chs),
        act=_activation(act),
    )


def _activation(name: str) -> nn.Module:
    try:
        layer = create_act_layer(name, inplace=False)
    except KeyError as error:
        raise UsageError(f"unknown activation {name!r}; use one of timm's, such as relu, relu6 or hardswish") from error
    return nn.Identity() if layer is None else layer
