"""MixNet's block: one depthwise layer with several kernel sizes (timm's classes)."""

from __future__ import annotations

from torch import nn

from blockfront.blocks.mobilenet import inverted_residual, squeeze
from blockfront.blocks.registry import register_block
from blockfront.errors import UsageError


@register_block("mixconv", "mixed depthwise kernels (MixNet)", "Tan & Le 2019, arXiv:1907.09595")
class MixConv(nn.Sequential):
    """An inverted residual whose channels are split evenly among kernel sizes 3, 5, ... up to `kernel`."""

    def __init__(
        self,
        in_chs: int,
        out_chs: int,
        stride: int = 1,
        kernel: int = 7,
        expansion: float = 6.0,
        se: float = 0.0,
        act: str = "silu",
    ) -> None:
        if kernel not in (3, 5, 7, 9, 11):
            raise UsageError(f"kernel of block 'mixconv' is 3, 5, 7, 9 or 11, not {kernel}")
        sizes = list(range(3, kernel + 1, 2))
        super().__init__(inverted_residual(in_chs, out_chs, stride, sizes, expansion, squeeze(se), act))
