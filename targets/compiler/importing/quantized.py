"""Operators of quantised networks (`blockfront.integer`), each as one kernel with its whole epilogue.

Bytes are stored as the processor multiplies them: on x86 without a sign, 128 more than torch's int8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from tvm import relax

from blockfront.errors import RunError
from blockfront.targets.compiler import quantized_layers, quantized_values
from blockfront.targets.compiler.constants import constant
from blockfront.targets.compiler.importing.importer import Importer
from blockfront.targets.compiler.importing.reshaping import Order, identity
from blockfront.targets.compiler.importing.rules import Node, rule
from blockfront.targets.compiler.legalizing import call_te
from blockfront.targets.hardware.machine import WORD

_NHWC: Order = (0, 2, 3, 1)
_OPAQUE = {"op_pattern": 8}
_EXACT = 2**24
"""Whole numbers up to here are exact in float32."""


def _arguments(node: Node) -> dict[str, Any]:
    """A call's arguments by name, those left out as their defaults."""
    schema = node.target._schema.arguments
    defaults = {one.name: one.default_value for one in schema if one.has_default_value()}
    given = zip((one.name for one in schema), node.args, strict=False)
    return defaults | dict(given) | node.kwargs


def _emit(
    importer: Importer,
    node: Node,
    function: Callable[..., Any],
    *args: Any,
    order: Order | None = None,
    name: str | None = None,
) -> None:
    value = call_te(importer.block_builder, function, *args, name=name or function.__name__, attributes=_OPAQUE)
    importer.emit(node, value, order)


def _array(values: Any, dtype: torch.dtype) -> relax.Expr:
    return constant(torch.as_tensor(values).to(dtype))


def _weights(importer: Importer, node: Node) -> torch.Tensor:
    if node.op != "get_attr":
        raise RunError(f"{node} of a quantised layer depends on the input: its weights must be constants")
    return torch.from_dlpack(importer.env[node].value)


def _bounds(importer: Importer, given: dict[str, Any]) -> relax.Expr:
    return _array([given["low"] + importer.shift, given["high"] + importer.shift], getattr(torch, importer.byte))


def _points(importer: Importer, *zero_points: int) -> relax.Expr:
    """Zero points as bytes are stored."""
    return _array([point + importer.shift for point in zero_points], torch.int32)


def _words(weights: torch.Tensor, size: int = WORD) -> torch.Tensor:
    """int8 (…, I, O) as int32 (…, I / 4, O), or int16 (…, I / 2, O): neighbours of I in a word, filled up with zeros to
    whole int32."""
    *outer, inputs, outputs = weights.shape
    padded = torch.nn.functional.pad(weights, (0, 0, 0, -inputs % WORD))
    grouped = padded.reshape(*outer, -1, size, outputs).transpose(-1, -2).contiguous()
    return grouped.view(torch.int32 if size == WORD else torch.int16).squeeze(-1)


def _sums(importer: Importer, given: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Of a layer with weights (O, …): its bias less what the input's zero point adds, its multipliers, and the largest
    sum that may occur on the way."""
    weights = _weights(importer, given["weight"]).flatten(1).to(torch.int64)
    zero_point = given["input_zero_point"] + importer.shift
    bias = _weights(importer, given["bias"]).to(torch.int64) - zero_point * weights.sum(1)
    multiplier = _weights(importer, given["multiplier"])
    largest = weights.abs().sum(1) * 255 + bias.abs()
    if int(weights.min()) < -127:
        raise RunError("weights of a quantised layer must be -127 to 127: of -128 two products do not fit 16 bits")
    # A sum that stays a float may be as large as that is.
    scaled = largest * (multiplier.double().abs() if "output_zero_point" in given else 1)
    if int(largest.max()) >= 2**31 or float(scaled.max()) >= 2**31:
        raise RunError("a quantised layer's sums or scaled sums do not fit 32 bits")
    return bias, multiplier, int(largest.max())


def _pair(value: Any) -> list[int]:
    values = [int(one) for one in value] if isinstance(value, Sequence) else [int(value)]
    return values * 2 if len(values) == 1 else values


@rule("blockfront.convolution.default")
def _convolution(importer: Importer, node: Node) -> None:
    given = _arguments(node)
    weights = _weights(importer, given["weight"])
    outputs, inputs = weights.shape[:2]
    channels = int(given["q"].meta["val"].shape[1])
    groups, pads = given["groups"], _pair(given["padding"]) * 2
    bias, multiplier, largest = _sums(importer, given)
    bounds = _bounds(importer, given)
    zero_points = given["output_zero_point"], given["input_zero_point"]
    sizes = [*node.meta["val"].shape[2:], *_pair(given["stride"]), *_pair(given["dilation"]), *pads, groups]
    if inputs == 1 and groups == outputs and groups > 1:
        data, by_channel = importer.stored(given["q"], _NHWC), weights.squeeze(1).permute(1, 2, 0)
        of_output = constant(multiplier), _points(importer, *zero_points), bounds
        if importer.zips:
            words = _words(by_channel.permute(1, 0, 2)).permute(1, 0, 2)
            of_sums = constant(words), _array(bias, torch.int32)
            sizes[-1:] = weights.shape[2], importer.masks
            _emit(importer, node, quantized_layers.depthwise_zipped, data, *of_sums, *of_output, *sizes, order=_NHWC)
            return
        sums = torch.float32 if importer.byte == "uint8" and largest < _EXACT else torch.int32
        of_sums = _array(by_channel, sums if importer.word_bytes == WORD else torch.int8), _array(bias, sums)
        _emit(importer, node, quantized_layers.depthwise, data, *of_sums, *of_output, *sizes, order=_NHWC)
        return
    data = importer.words.get(given["q"]) if groups == 1 else None
    if data is None:
        data = _whole_words(importer, importer.stored(given["q"], _NHWC), channels, groups)
    border = (zero_points[1] + importer.shift) % 256 * 0x01010101
    border -= (border >> 31) << 32
    points = _array([zero_points[0] + importer.shift, border], torch.int32)
    words = _words(weights.permute(2, 3, 1, 0), importer.word_bytes)
    constants = constant(words), _array(bias, torch.int32), constant(multiplier)
    _emit(importer, node, quantized_layers.convolution, data, *constants, points, bounds, *sizes, order=_NHWC)


def _whole_words(importer: Importer, data: relax.Expr, channels: int, groups: int = 1) -> relax.Expr:
    """`data`, whose last dimension is `channels`, with whole words of them for each group."""
    if channels // groups % WORD == 0:
        return data
    widened = call_te(importer.block_builder, quantized_values.widen, data, groups, name="widen", attributes=_OPAQUE)
    return importer.block_builder.emit(widened)


@rule("blockfront.linear.default", "blockfront.linear_float.default")
def _linear(importer: Importer, node: Node) -> None:
    given = _arguments(node)
    source = given["q"]
    rank = source.meta["val"].dim()
    if importer.order_of(source)[-1] != rank - 1:
        importer.restore(source)
    order = importer.order_of(source)
    bias, multiplier, _ = _sums(importer, given)
    data = _whole_words(importer, importer.env[source], int(source.meta["val"].shape[-1]))
    words = constant(_words(_weights(importer, given["weight"]).T, importer.word_bytes))
    constants = words, _array(bias, torch.int32), constant(multiplier)
    if "output_zero_point" not in given:
        _emit(importer, node, quantized_layers.linear_float, data, *constants, order=order)
        return
    requantized = _points(importer, given["output_zero_point"]), _bounds(importer, given)
    _emit(importer, node, quantized_layers.linear, data, *constants, *requantized, order=order)


@rule("blockfront.quantize.default")
def _quantize(importer: Importer, node: Node) -> None:
    given = _arguments(node)
    source = given["x"]
    inverse = _array([torch.tensor(1.0 / given["scale"], dtype=torch.float32)], torch.float32)
    constants = inverse, _points(importer, given["zero_point"]), _bounds(importer, given)
    order = importer.order_of(source)
    shape = source.meta["val"].shape
    if len(shape) == 4 and shape[1] <= WORD and order == identity(4):
        # A picture: convolutions read its words, and nobody makes the bytes where nobody else reads them.
        value = call_te(
            importer.block_builder,
            quantized_values.quantize_image,
            importer.env[source],
            *constants,
            name="quantize_image",
            attributes=_OPAQUE,
        )
        importer.words[node] = importer.block_builder.emit(value)
    _emit(importer, node, quantized_values.quantize, importer.env[source], *constants, order=order)


@rule("blockfront.dequantize.default")
def _dequantize(importer: Importer, node: Node) -> None:
    given = _arguments(node)
    scale, points = _array([given["scale"]], torch.float32), _points(importer, given["zero_point"])
    order = importer.order_of(given["q"])
    _emit(importer, node, quantized_values.dequantize, importer.env[given["q"]], scale, points, order=order)


@rule("blockfront.add.default")
def _add(importer: Importer, node: Node) -> None:
    given = _arguments(node)
    values, order = _operands(importer, node, given["a"], given["b"])
    factors = given["multiplier_a"], given["multiplier_b"]
    moved = given["constant"] - importer.shift * sum(factors)
    # The output's shift belongs to the sum before it is shifted right.
    moved += importer.shift << given["shift"]
    constants = _array(factors, torch.int16), _array([moved], torch.int32), _bounds(importer, given)
    name = f"add_{given['shift']}"
    _emit(importer, node, quantized_values.add(given["shift"]), *values, *constants, order=order, name=name)


@rule("blockfront.multiply.default")
def _multiply(importer: Importer, node: Node) -> None:
    given = _arguments(node)
    values, order = _operands(importer, node, given["a"], given["b"])
    points = _points(importer, given["output_zero_point"], given["zero_point_a"], given["zero_point_b"])
    multiplier = _array([given["multiplier"]], torch.float32)
    _emit(importer, node, quantized_values.multiply, *values, multiplier, points, _bounds(importer, given), order=order)


def _operands(importer: Importer, node: Node, *operands: Node) -> tuple[list[relax.Expr], Order]:
    """Two tensors in one order and of one rank."""
    rank = node.meta["val"].dim()
    full = [operand for operand in operands if operand.meta["val"].dim() == rank]
    order = next((importer.order[operand] for operand in full if operand in importer.order), identity(rank))
    values = []
    for operand in operands:
        shape = operand.meta["val"].shape
        if operand.op == "get_attr" and importer.byte != "int8":
            raise RunError(f"{operand} is a constant operand of a quantised addition or product, which nothing reads")
        if len(shape) == rank:
            values.append(importer.stored(operand, order))
            continue
        importer.restore(operand)
        wide = importer.block_builder.emit(
            relax.op.reshape(importer.env[operand], [1] * (rank - len(shape)) + list(shape))
        )
        values.append(importer.block_builder.emit(relax.op.permute_dims(wide, list(order))))
    return values, order


@rule("blockfront.mean.default")
def _mean(importer: Importer, node: Node) -> None:
    given = _arguments(node)
    source, keep = given["q"], bool(given["keepdim"])
    order = importer.order_of(source)
    gone = {axis % len(order) for axis in given["dim"]}
    axes = sorted(order.index(axis) for axis in gone)
    count = 1
    for axis in gone:
        count *= int(source.meta["val"].shape[axis])
    points = _array(
        [given["output_zero_point"] + importer.shift, count * (given["input_zero_point"] + importer.shift)], torch.int32
    )
    constants = _array([given["multiplier"]], torch.float32), points, _bounds(importer, given)
    left = [dimension for dimension in order if dimension not in gone]
    after = order if keep else tuple(sorted(left).index(dimension) for dimension in left)
    name = f"mean_{keep}"
    _emit(importer, node, quantized_values.mean(keep), importer.env[source], *constants, *axes, order=after, name=name)


@rule("blockfront.lookup.default")
def _lookup(importer: Importer, node: Node) -> None:
    given = _arguments(node)
    table = _weights(importer, given["table"]).to(torch.int32) + importer.shift
    order = importer.order_of(given["q"])
    values = importer.env[given["q"]], _array(table, getattr(torch, importer.byte))
    _emit(importer, node, quantized_values.lookup, *values, order=order)
