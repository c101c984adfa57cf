"""Convolutions and pooling, on images stored NHWC with weights HWIO."""

from __future__ import annotations

from typing import Any

from tvm import relax

from blockfront.targets.compiler.importing.importer import Importer
from blockfront.targets.compiler.importing.reshaping import Order
from blockfront.targets.compiler.importing.rules import Node, argument, rule

NHWC: Order = (0, 2, 3, 1)
_ORDERS: dict[int, Order] = {4: NHWC, 5: (0, 2, 3, 4, 1)}
_CONVOLUTIONS = {4: (relax.op.nn.conv2d, "NHWC", "HWIO"), 5: (relax.op.nn.conv3d, "NDHWC", "DHWIO")}


def _each(value: Any, rank: int) -> list[int]:
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    return values * (rank - 2) if len(values) == 1 else values


@rule("conv2d.default", "conv2d.padding", "conv3d.default", "conv3d.padding")
def _convolution(importer: Importer, node: Node) -> None:
    data, weight = node.args[0], node.args[1]
    bias = argument(node, 2, "bias")
    rank = data.meta["val"].dim()
    order = _ORDERS[rank]
    strides, padding = _each(argument(node, 3, "stride", 1), rank), argument(node, 4, "padding", 0)
    dilation, groups = _each(argument(node, 5, "dilation", 1), rank), argument(node, 6, "groups", 1)
    if isinstance(padding, str):
        kernel = weight.meta["val"].shape[2:]
        spans = [0 if padding == "valid" else d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        pads = [span // 2 for span in spans] + [span - span // 2 for span in spans]
    else:
        pads = _each(padding, rank) * 2
    convolve, layout, kernel_layout = _CONVOLUTIONS[rank]
    value = importer.block_builder.emit(
        convolve(
            importer.stored(data, order),
            importer.stored(weight, (*range(2, rank), 1, 0)),
            strides=strides,
            padding=pads,
            dilation=dilation,
            groups=groups,
            data_layout=layout,
            kernel_layout=kernel_layout,
        )
    )
    if bias is not None:
        value = relax.op.add(value, relax.op.reshape(importer.env[bias], [1] * (rank - 1) + [-1]))
    importer.emit(node, value, order)


@rule("max_pool2d.default", "avg_pool2d.default", "max_pool3d.default", "avg_pool3d.default")
def _pool(importer: Importer, node: Node) -> None:
    rank = node.args[0].meta["val"].dim()
    order, layout = _ORDERS[rank], _CONVOLUTIONS[rank][1]
    kernel = _each(node.args[1], rank)
    strides = _each(argument(node, 2, "stride") or kernel, rank)
    pads = _each(argument(node, 3, "padding", 0), rank) * 2
    data = importer.stored(node.args[0], order)
    if node.target.__name__.startswith("max"):
        pool = relax.op.nn.max_pool2d if rank == 4 else relax.op.nn.max_pool3d
        value = pool(
            data,
            pool_size=kernel,
            strides=strides,
            padding=pads,
            dilation=_each(argument(node, 4, "dilation", 1), rank),
            ceil_mode=bool(argument(node, 5, "ceil_mode", False)),
            layout=layout,
        )
    else:
        pool = relax.op.nn.avg_pool2d if rank == 4 else relax.op.nn.avg_pool3d
        value = pool(
            data,
            pool_size=kernel,
            strides=strides,
            padding=pads,
            ceil_mode=bool(argument(node, 4, "ceil_mode", False)),
            count_include_pad=bool(argument(node, 5, "count_include_pad", True)),
            layout=layout,
        )
    importer.emit(node, value, order)


@rule("adaptive_avg_pool2d.default")
def _mean_of_image(importer: Importer, node: Node) -> None:
    data = importer.stored(node.args[0], NHWC)
    importer.emit(node, relax.op.mean(data, [1, 2], keepdims=True), NHWC)
