"""Blocks of the MobileNets and their relatives (timm's classes)."""

from __future__ import annotations

from functools import partial

from timm.layers import make_divisible
from timm.models._efficientnet_blocks import (
    DepthwiseSeparableConv,
    EdgeResidual,
    InvertedResidual,
    SqueezeExcite,
    UniversalInvertedResidual,
)
from torch import nn

from blockfront.blocks.registry import register_block
from blockfront.errors import UsageError


@register_block("ds", "depthwise separable convolution (MobileNetV1)", "Howard et al. 2017, arXiv:1704.04861")
class DepthwiseSeparable(nn.Sequential):
    """A depthwise and a pointwise convolution, an activation after each, no shortcut."""

    def __init__(self, in_chs: int, out_chs: int, stride: int = 1, kernel: int = 3, act: str = "relu") -> None:
        super().__init__(
            DepthwiseSeparableConv(in_chs, out_chs, kernel, stride, noskip=True, pw_act=True, act_layer=act)
        )


@register_block("ir", "inverted residual (MobileNetV2)", "Sandler et al. 2018, arXiv:1801.04381")
class Inverted(nn.Sequential):
    """Pointwise expansion, depthwise convolution, linear projection; without expansion when it is 1.

    `se` is the squeezed share of the expanded width, 0 for none, with a sigmoid gate as in MnasNet.
    """

    def __init__(
        self,
        in_chs: int,
        out_chs: int,
        stride: int = 1,
        kernel: int = 3,
        expansion: float = 6.0,
        se: float = 0.0,
        act: str = "relu6",
    ) -> None:
        super().__init__(inverted_residual(in_chs, out_chs, stride, kernel, expansion, squeeze(se), act))


@register_block(
    "ir_se",
    "inverted residual with squeeze-excite and hard-swish (MobileNetV3)",
    "Howard et al. 2019, arXiv:1905.02244",
)
class InvertedSqueezeExcite(nn.Sequential):
    """`ir` with hard-swish and a hard-sigmoid gate; `se` is the squeezed share of the expanded width."""

    def __init__(
        self,
        in_chs: int,
        out_chs: int,
        stride: int = 1,
        kernel: int = 3,
        expansion: float = 6.0,
        se: float = 0.25,
        act: str = "hardswish",
    ) -> None:
        gate = squeeze(se, gate="hard_sigmoid", squeezed_act="relu")
        super().__init__(inverted_residual(in_chs, out_chs, stride, kernel, expansion, gate, act))


@register_block("er", "fused inverted residual (EfficientNet-EdgeTPU)", "Gupta & Akin 2020, arXiv:2003.02838")
class Fused(nn.Sequential):
    """The expansion is a full kxk convolution, which takes the place of the depthwise one."""

    def __init__(
        self,
        in_chs: int,
        out_chs: int,
        stride: int = 1,
        kernel: int = 3,
        expansion: float = 4.0,
        se: float = 0.0,
        act: str = "relu",
    ) -> None:
        super().__init__(
            EdgeResidual(in_chs, out_chs, kernel, stride, exp_ratio=expansion, act_layer=act, se_layer=squeeze(se))
        )


@register_block("uir", "universal inverted residual (MobileNetV4)", "Qin et al. 2024, arXiv:2404.10518")
class Universal(nn.Sequential):
    """MobileNetV4's block; `variant` says where its depthwise convolutions are.

    `extradw`: before the expansion and in the middle; `ib`: in the middle; `convnext`: before the expansion;
    `ffn`: nowhere, except that a block with stride 2 keeps the one in the middle, which does the striding.
    """

    def __init__(
        self,
        in_chs: int,
        out_chs: int,
        stride: int = 1,
        kernel: int = 3,
        expansion: float = 4.0,
        variant: str = "extradw",
        act: str = "relu",
    ) -> None:
        if variant not in ("extradw", "ib", "convnext", "ffn"):
            raise UsageError(f"variant of block 'uir' is extradw, ib, convnext or ffn, not {variant!r}")
        in_the_middle = variant in ("extradw", "ib") or (variant == "ffn" and stride > 1)
        super().__init__(
            UniversalInvertedResidual(
                in_chs,
                out_chs,
                dw_kernel_size_start=kernel if variant in ("extradw", "convnext") else 0,
                dw_kernel_size_mid=kernel if in_the_middle else 0,
                stride=stride,
                exp_ratio=expansion,
                act_layer=act,
                layer_scale_init_value=None,
            )
        )


def inverted_residual(
    in_chs: int,
    out_chs: int,
    stride: int,
    kernel: int | list[int],
    expansion: float,
    se_layer: partial[nn.Module] | None,
    act: str,
) -> nn.Module:
    """timm's inverted residual, or its depthwise separable block where there is no expansion to do."""
    if expansion == 1:
        return DepthwiseSeparableConv(in_chs, out_chs, kernel, stride, act_layer=act, se_layer=se_layer)
    return InvertedResidual(in_chs, out_chs, kernel, stride, exp_ratio=expansion, act_layer=act, se_layer=se_layer)


def squeeze(ratio: float, gate: str = "sigmoid", squeezed_act: str | None = None) -> partial[nn.Module] | None:
    """Squeeze-excite with `ratio` of the channels, rounded to 8; None where the ratio is 0. Hu et al., CVPR 2018.

    Raises `UsageError` for a ratio that is no share.
    """
    if not 0 <= ratio <= 1:
        raise UsageError(f"se is a share of the expanded width, 0 to 1, not {ratio:g}")
    if ratio == 0:
        return None
    return partial(
        SqueezeExcite,
        rd_ratio=ratio,
        rd_round_fn=make_divisible,
        gate_layer=gate,
        force_act_layer=squeezed_act,
    )
