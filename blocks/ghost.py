"""GhostNet's bottleneck (timm's class)."""

from __future__ import annotations

from timm.layers import make_divisible
from timm.models.ghostnet import GhostBottleneck
from torch import nn

from blockfront.blocks.registry import register_block


@register_block("ghost", "ghost bottleneck (GhostNet)", "Han et al. 2020, arXiv:1911.11907")
class Ghost(nn.Sequential):
    """Half the channels of each pointwise layer come from a cheap depthwise convolution.

    `expansion` is relative to `in_chs`, `kernel` is that of the strided depthwise convolutions, `se` the
    squeezed share of the expanded width.
    """

    def __init__(
        self,
        in_chs: int,
        out_chs: int,
        stride: int = 1,
        kernel: int = 3,
        expansion: float = 3.0,
        se: float = 0.0,
    ) -> None:
        expanded = make_divisible(in_chs * expansion)
        super().__init__(GhostBottleneck(in_chs, expanded, out_chs, kernel, stride, se_ratio=se))
