"""Forms of functions of one int8, which the network has as tables of 256.

A `.tflite` file has no tables. LiteRT computes some functions in int8s of fixed scale, which are then brought to the
network's; a hard sigmoid is a depthwise convolution of one pixel, rounded once as the table is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.fx.node import map_arg

from blockfront.errors import RunError
from blockfront.targets.compiler.importing.rules import Node, argument
from blockfront.targets.latency.ethos.tflite_file import Grid
from blockfront.targets.latency.ethos.writer import TfliteWriter, Value
from blockfront.targets.quantization.affine import Affine
from blockfront.targets.quantization.emitting import FUNCTION
from blockfront.targets.quantization.forms import aten_name

_SIGMOID = Affine(1 / 256, -128)
"""What LOGISTIC gives."""
_TANH = Affine(1 / 128, 0)
"""What TANH gives."""
_CLAMPS = ("relu", "relu6")


def table_form(to: TfliteWriter, node: Node) -> Value:
    """By the operators that the table is of."""
    source, chain = to.read(node.args[0]), node.meta[FUNCTION]
    result = to.tensor(node.name, source.shape, source.order, to.affine(node))
    names = [aten_name(one).partition(".")[0] for one in chain]
    if not names:
        to.write("QUANTIZE", [source], [result])
    elif len(names) == 1 and names[0] in _CLAMPS:
        to.write(names[0].upper(), [source], [result])
    elif names == ["hardswish"]:
        to.write("HARD_SWISH", [source], [result], "HardSwishOptions")
    elif names == ["gelu"]:
        approximate = argument(chain[0], 1, "approximate", "none") == "tanh"
        to.write("GELU", [source], [result], "GeluOptions", approximate=approximate)
    elif names == ["silu"]:
        sigmoid = _logistic(to, source)
        to.write("MUL", [source, sigmoid], [result], "MulOptions")
        # LOGISTIC rounds to a step of its own, which is multiplied by the source.
        largest = float(source.int8.values().abs().max())
        to.tolerates(node, 0.5 + largest * _SIGMOID.scale / result.int8.scale)
    elif names == ["sigmoid"]:
        _rescaled(to, node, _logistic(to, source), result)
    elif names == ["tanh"]:
        tanh = to.tensor("tanh", source.shape, source.order, _TANH)
        to.write("TANH", [source], [tanh])
        _rescaled(to, node, tanh, result)
    elif names == ["leaky_relu"]:
        alpha = argument(chain[0], 1, "negative_slope", 0.01)
        to.write("LEAKY_RELU", [source], [result], "LeakyReluOptions", alpha=alpha)
    elif names == ["hardsigmoid"] and len(source.shape) == 4:
        _line(to, node, source, result, 1 / 6, 1 / 2)
    elif len(source.shape) == 4 and (line := _line_of(chain[names[0] in _CLAMPS :])) is not None:
        if names[0] in _CLAMPS:
            clamped = to.tensor("clamped", source.shape, source.order, source.affine)
            to.write(names[0].upper(), [source], [clamped])
            source = clamped
        _line(to, node, source, result, *line)
    else:
        raise RunError(f"no form of {' and '.join(names)} in a .tflite file")
    return result


def _line_of(chain: Sequence[Node]) -> tuple[float, float] | None:
    """The slope and offset of functions one after the other that are sums and products with numbers; else None."""
    if not chain or not {aten_name(one).partition(".")[0] for one in chain} <= {"mul", "add", "sub", "div", "neg"}:
        return None
    found = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
    for one in chain:
        args, kwargs = map_arg((one.args, one.kwargs), lambda _: found)  # noqa: B023
        found = one.target(*args, **kwargs)
    slope, more = found.diff().tolist()
    return (slope, float(found[0])) if slope and math.isclose(slope, more) else None


def _logistic(to: TfliteWriter, source: Value) -> Value:
    made = to.tensor("sigmoid", source.shape, source.order, _SIGMOID)
    to.write("LOGISTIC", [source], [made])
    return made


def _rescaled(to: TfliteWriter, node: Node, found: Value, result: Value) -> None:
    """Bring a value to the result's scale; both round."""
    to.write("QUANTIZE", [found], [result])
    to.tolerates(node, 0.5 + 0.5 * found.int8.scale / result.int8.scale)


def _line(to: TfliteWriter, node: Node, source: Value, result: Value, slope: float, offset: float) -> None:
    """`slope * x + offset` of an image, clamped where the result's int8s end."""
    channels = source.shape[1]
    scale = abs(slope) / 127
    weight = np.full((1, 1, 1, channels), 127 if slope > 0 else -127, np.int8)
    grid = Grid((scale,) * channels, 0, 3)
    kernel = to.file.tensor(f"{node.name}_weight", weight.shape, "int8", grid, weight)
    biases = np.full(channels, round(offset / (scale * source.int8.scale)), np.int32)
    grid = Grid((scale * source.int8.scale,) * channels)
    bias = to.file.tensor(f"{node.name}_bias", biases.shape, "int32", grid, biases)
    options = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "depthMultiplier": 1}
    source = to.ordered(source, result.order)
    padding = to.file.choice("Padding", "VALID")
    to.write(
        "DEPTHWISE_CONV_2D", [source, kernel, bias], [result], "DepthwiseConv2DOptions", padding=padding, **options
    )
