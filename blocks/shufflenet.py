"""ShuffleNet units: V1 written here, V2 from torchvision."""

from __future__ import annotations

import torch
from torch import nn
from torchvision.models.shufflenetv2 import InvertedResidual, channel_shuffle

from blockfront.blocks.registry import register_block
from blockfront.errors import UsageError


@register_block("shufflenet_v1", "grouped pointwise convolutions and a shuffle", "Zhang et al. 2018, arXiv:1707.01083")
class ShuffleNetV1(nn.Module):
    """Grouped 1x1, channel shuffle, depthwise 3x3, grouped 1x1, on a quarter of `out_chs`.

    With the shape kept the input is added; where the block widens, the input (average-pooled when striding)
    is concatenated, as in figure 2 of the paper. Elsewhere, which the paper does not define, there is no
    shortcut.
    """

    def __init__(self, in_chs: int, out_chs: int, stride: int = 1, groups: int = 2) -> None:
        super().__init__()
        if groups < 1 or in_chs % groups or out_chs % groups:
            raise UsageError(
                f"groups of block 'shufflenet_v1' must divide its widths; "
                f"{groups} does not divide {in_chs} and {out_chs}"
            )
        self.adds = stride == 1 and in_chs == out_chs
        self.concatenates = out_chs > in_chs
        self.groups = groups
        new_chs = out_chs - in_chs if self.concatenates else out_chs
        inner = -(-out_chs // 4 // groups) * groups or groups
        self.squeeze = nn.Sequential(
            nn.Conv2d(in_chs, inner, 1, groups=groups, bias=False), nn.BatchNorm2d(inner), nn.ReLU()
        )
        self.depthwise = nn.Sequential(
            nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False), nn.BatchNorm2d(inner)
        )
        self.expand = nn.Sequential(nn.Conv2d(inner, new_chs, 1, groups=groups, bias=False), nn.BatchNorm2d(new_chs))
        self.shortcut = nn.AvgPool2d(3, stride, 1) if self.concatenates and stride > 1 else nn.Identity()
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_chs, H, W) to (N, out_chs, H / stride, W / stride)."""
        branch = self.squeeze(x)
        if self.groups > 1:
            branch = channel_shuffle(branch, self.groups)
        branch = self.expand(self.depthwise(branch))
        if self.adds:
            branch = branch + x
        elif self.concatenates:
            branch = torch.cat([self.shortcut(x), branch], dim=1)
        return self.act(branch)


@register_block("shufflenet_v2", "channel split and a shuffle", "Ma et al. 2018, arXiv:1807.11164")
class ShuffleNetV2(nn.Sequential):
    """Half of the channels pass untouched; a block that changes the shape has two branches instead."""

    def __init__(self, in_chs: int, out_chs: int, stride: int = 1) -> None:
        if out_chs % 2:
            raise UsageError(f"block 'shufflenet_v2' needs an even width, not {out_chs}")
        keeps_shape = stride == 1 and in_chs == out_chs
        unit = InvertedResidual(in_chs, out_chs, 1 if keeps_shape else 2)
        if not keeps_shape:
            # torchvision has the two-branch unit with stride 2 only; at stride 1 it changes the width alone.
            for layer in unit.modules():
                if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2):
                    layer.stride = (stride, stride)
        super().__init__(unit)
