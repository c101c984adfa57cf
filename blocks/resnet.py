"""Residual blocks of ResNet and ResNeXt (timm's classes)."""

from __future__ import annotations

import math

from timm.models.resnet import BasicBlock, Bottleneck, downsample_conv
from torch import nn

from blockfront.blocks.registry import register_block
from blockfront.errors import UsageError


@register_block("basic", "ResNet basic block: two 3x3 convolutions", "He et al. 2016, arXiv:1512.03385")
class Basic(nn.Sequential):
    """Two 3x3 convolutions with a shortcut, projected by a 1x1 convolution where the shape changes."""

    def __init__(self, in_chs: int, out_chs: int, stride: int = 1) -> None:
        super().__init__(BasicBlock(in_chs, out_chs, stride, _shortcut(in_chs, out_chs, stride)))


@register_block("bottleneck", "ResNet bottleneck: 1x1, 3x3, 1x1", "He et al. 2016, arXiv:1512.03385")
class BottleneckBlock(nn.Sequential):
    """The 3x3 convolution works on a quarter of `out_chs`; the stride is on it, as in ResNet V1.5."""

    def __init__(self, in_chs: int, out_chs: int, stride: int = 1) -> None:
        planes = _planes("bottleneck", out_chs)
        super().__init__(Bottleneck(in_chs, planes, stride, _shortcut(in_chs, out_chs, stride)))


@register_block("resnext", "ResNeXt bottleneck: grouped 3x3", "Xie et al. 2017, arXiv:1611.05431")
class ResNeXt(nn.Sequential):
    """A bottleneck of half of `out_chs`, rounded up to whole groups of `group_size` channels.

    ResNeXt-50 32x4d has group sizes 4, 8, 16 and 32 in its four stages.
    """

    def __init__(self, in_chs: int, out_chs: int, stride: int = 1, group_size: int = 8) -> None:
        planes = _planes("resnext", out_chs)
        if group_size < 1:
            raise UsageError(f"block 'resnext' needs group_size of at least 1, not {group_size}")
        block = Bottleneck(
            in_chs,
            planes,
            stride,
            _shortcut(in_chs, out_chs, stride),
            cardinality=math.ceil(out_chs / 2 / group_size),
            # timm's group size is floor(planes * base_width / 64); the half keeps rounding out of it.
            base_width=(group_size + 0.5) * 64 / planes,
        )
        super().__init__(block)


def _planes(name: str, out_chs: int) -> int:
    if out_chs % 4:
        raise UsageError(f"block {name!r} needs a width that is a multiple of 4, not {out_chs}")
    return out_chs // 4


def _shortcut(in_chs: int, out_chs: int, stride: int) -> nn.Module | None:
    return None if stride == 1 and in_chs == out_chs else downsample_conv(in_chs, out_chs, 1, stride)
