"""ConvNeXt's block (timm's class)."""

from __future__ import annotations

from timm.layers import LayerNorm2d
from timm.models.convnext import ConvNeXtBlock
from torch import nn

from blockfront.blocks.registry import register_block


@register_block(
    "convnext", "large depthwise kernel, layer norm and MLP (ConvNeXt)", "Liu et al. 2022, arXiv:2201.03545"
)
class ConvNeXt(nn.Sequential):
    """Depthwise kxk, layer norm, pointwise MLP with GELU.

    A block that changes the shape begins with the paper's downsampling: layer norm and a convolution of
    kernel = stride.
    """

    def __init__(self, in_chs: int, out_chs: int, stride: int = 1, kernel: int = 7, expansion: float = 4.0) -> None:
        change: list[nn.Module] = []
        if stride > 1 or in_chs != out_chs:
            change = [LayerNorm2d(in_chs, eps=1e-6), nn.Conv2d(in_chs, out_chs, stride, stride)]
        super().__init__(*change, ConvNeXtBlock(out_chs, kernel_size=kernel, mlp_ratio=expansion))
