"""SqueezeNet's fire module (torchvision's class)."""

from __future__ import annotations

from timm.layers import make_divisible
from torch import nn
from torchvision.models.squeezenet import Fire

from blockfront.blocks.registry import register_block


@register_block("fire", "fire module (SqueezeNet)", "Iandola et al. 2016, arXiv:1602.07360")
class FireBlock(nn.Sequential):
    """A 1x1 squeeze, then 1x1 and 3x3 convolutions side by side, half of `out_chs` each; no batch norm.

    `ratio` is the squeezed share of `out_chs`, rounded to 8. A stride is a 3x3 max pool in front.
    """

    def __init__(self, in_chs: int, out_chs: int, stride: int = 1, ratio: float = 0.125) -> None:
        pool = nn.MaxPool2d(3, stride, 1) if stride > 1 else nn.Identity()
        half = out_chs // 2
        super().__init__(pool, Fire(in_chs, make_divisible(out_chs * ratio), half, out_chs - half))
