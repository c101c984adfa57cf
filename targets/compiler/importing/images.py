"""Convolutions and pooling, on images stored NHWC with weights HWIO."""

from __future__ import annotations

from typing import Any

from tvm import relax

from blockfront.targets.compiler.importing.importer import Importer
from blockfront.targets.compiler.importing.reshaping import Order
from blockfront.targets.compiler.importing.rules import Node, argument, rule

_NHWC: Order = (0, 2, 3, 1)


def _pair(value: Any) -> list[int]:
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    return values * 2 if len(values) == 1 else values


@rule("conv2d.default", "conv2d.padding")
def _convolution(importer: Importer, node: Node) -> None:
    data, weight = node.args[0], node.args[1]
    bias = argument(node, 2, "bias")
    strides, padding = _pair(argument(node, 3, "stride", 1)), argument(node, 4, "padding", 0)
    dilation, groups = _pair(argument(node, 5, "dilation", 1)), argument(node, 6, "groups", 1)
    if isinstance(padding, str):
        kernel = weight.meta["val"].shape[2:]
        spans = [0 if padding == "valid" else d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        pads = [span // 2 for span in spans] + [span - span // 2 for span in spans]
    else:
        pads = _pair(padding) * 2
    value = importer.block_builder.emit(
        relax.op.nn.conv2d(
            importer.stored(data, _NHWC),
            importer.stored(weight, (2, 3, 1, 0)),
            strides=strides,
            padding=pads,
            dilation=dilation,
            groups=groups,
            data_layout="NHWC",
            kernel_layout="HWIO",
        )
    )
    if bias is not None:
        value = relax.op.add(value, relax.op.reshape(importer.env[bias], [1, 1, 1, -1]))
    importer.emit(node, value, _NHWC)


@rule("max_pool2d.default", "avg_pool2d.default")
def _pool(importer: Importer, node: Node) -> None:
    kernel = _pair(node.args[1])
    strides = _pair(argument(node, 2, "stride") or kernel)
    pads = _pair(argument(node, 3, "padding", 0)) * 2
    data = importer.stored(node.args[0], _NHWC)
    if node.target.__name__.startswith("max"):
        value = relax.op.nn.max_pool2d(
            data,
            pool_size=kernel,
            strides=strides,
            padding=pads,
            dilation=_pair(argument(node, 4, "dilation", 1)),
            ceil_mode=bool(argument(node, 5, "ceil_mode", False)),
            layout="NHWC",
        )
    else:
        value = relax.op.nn.avg_pool2d(
            data,
            pool_size=kernel,
            strides=strides,
            padding=pads,
            ceil_mode=bool(argument(node, 4, "ceil_mode", False)),
            count_include_pad=bool(argument(node, 5, "count_include_pad", True)),
            layout="NHWC",
        )
    importer.emit(node, value, _NHWC)


@rule("adaptive_avg_pool2d.default")
def _mean_of_image(importer: Importer, node: Node) -> None:
    data = importer.stored(node.args[0], _NHWC)
    importer.emit(node, relax.op.mean(data, [1, 2], keepdims=True), _NHWC)
