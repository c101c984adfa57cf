"""MobileOne's re-parameterised block (timm's class)."""

from __future__ import annotations

from timm.models.byobnet import MobileOneBlock
from torch import nn

from blockfront.blocks.registry import register_block


@register_block("rep", "re-parameterised depthwise separable (MobileOne)", "Vasu et al. 2023, arXiv:2206.04040")
class Rep(nn.Sequential):
    """A depthwise and a pointwise convolution, each trained as several branches and fused by `deploy`.

    `branches` counts the parallel kxk convolutions in training; it changes nothing in the deployed network.
    """

    def __init__(self, in_chs: int, out_chs: int, stride: int = 1, kernel: int = 3, branches: int = 1) -> None:
        super().__init__(
            MobileOneBlock(in_chs, in_chs, kernel, stride, group_size=1, num_conv_branches=branches),
            MobileOneBlock(in_chs, out_chs, 1, num_conv_branches=branches),
        )
