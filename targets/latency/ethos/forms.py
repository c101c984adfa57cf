"""The forms that operators of int8 networks have in a `.tflite` file."""

from __future__ import annotations

import operator
from math import inf, prod
from typing import Any

from torch import Tensor

from blockfront.errors import RunError
from blockfront.integer import HIGHEST, LOWEST
from blockfront.targets.compiler.importing.rules import Node, argument
from blockfront.targets.latency.ethos.choices import CHOICES
from blockfront.targets.latency.ethos.floats import FLOATS
from blockfront.targets.latency.ethos.moves import MOVES, part
from blockfront.targets.latency.ethos.tables import table_form
from blockfront.targets.latency.ethos.tflite_file import Grid
from blockfront.targets.latency.ethos.windows import IMAGE, average_pool, bordered, max_pool
from blockfront.targets.latency.ethos.writer import Form, TfliteWriter, Value
from blockfront.targets.quantization.affine import Affine

_ACTIVATIONS = {
    "NONE": (-inf, inf),
    "RELU": (0.0, inf),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}


def _activation(to: TfliteWriter, affine: Affine, low: int, high: int) -> int:
    """The activation that clamps at these int8s."""
    for name, (least, most) in _ACTIVATIONS.items():
        lowest = LOWEST if least == -inf else affine.step(least)
        highest = HIGHEST if most == inf else affine.step(most)
        if (lowest, highest) == (low, high):
            return to.file.choice("ActivationFunctionType", name)
    raise RunError(f"no activation of a .tflite file is between {low} and {high}")


def _bounds(node: Node, place: int) -> tuple[int, int]:
    return argument(node, place, "low", LOWEST), argument(node, place + 1, "high", HIGHEST)


def _quantize(to: TfliteWriter, node: Node) -> Value:
    """The image's are made before the network runs."""
    if node.args[0].op == "placeholder":
        return to.image(node)
    if "linear_float" in str(node.args[0].target) and to.affine(node.args[0]) == to.affine(node):
        return to.read(node.args[0])
    source = to.floats(node.args[0])
    result = to.result(node, source.order)
    to.write("QUANTIZE", [source], [result])
    return result


def _dequantize(to: TfliteWriter, node: Node) -> Value:
    """What the network gives is made floats by whoever reads it."""
    source = to.read(node.args[0])
    if all(user.op == "output" for user in node.users):
        return source
    result = to.result(node, source.order)
    to.write("DEQUANTIZE", [source], [result])
    return result


def _convolution(to: TfliteWriter, node: Node) -> Value:
    """Dense and grouped as CONV_2D, depthwise as its own, a border that is not TensorFlow's as PAD before."""
    weight = to.constant(node.args[1])
    to.counts(node.name, to.shape(node), prod(weight.shape[1:]))
    stride, padding, dilation, groups = node.args[6:10]
    source = to.read(node.args[0], IMAGE)
    result = to.result(node)
    kernel = weight.shape[2:]
    reach = [(size - 1) * step + 1 for size, step in zip(kernel, dilation, strict=True)]
    source, border = bordered(to, node, source, padding, stride, reach, source.int8.zero_point)
    depthwise = groups == source.shape[1] and groups > 1
    arranged = weight.permute(1, 2, 3, 0) if depthwise else weight.permute(0, 2, 3, 1)
    constants = _weights(to, node, arranged, 3 if depthwise else 0, source.int8, result.int8)
    options: dict[str, Any] = {
        "padding": border,
        **dict(zip(("strideH", "strideW"), stride, strict=True)),
        **dict(zip(("dilationHFactor", "dilationWFactor"), dilation, strict=True)),
        "fusedActivationFunction": _activation(to, result.int8, *_bounds(node, 10)),
    }
    if depthwise:
        options["depthMultiplier"] = len(weight) // groups
        to.write("DEPTHWISE_CONV_2D", [source, *constants], [result], "DepthwiseConv2DOptions", **options)
    else:
        to.write("CONV_2D", [source, *constants], [result], "Conv2DOptions", **options)
    return result


def _weights(
    to: TfliteWriter, node: Node, weight: Tensor, axis: int, before: Affine, after: Affine | None
) -> list[int]:
    """The weights of a layer as they are stored, and its biases; `after` is None of one that gives floats."""
    multiplier = to.constant(node.args[3]).double() * (1.0 if after is None else after.scale)
    scales = (multiplier / before.scale).tolist()
    kernel = to.file.tensor(f"{node.name}_weight", weight.shape, "int8", Grid(tuple(scales), 0, axis), weight.numpy())
    bias = to.constant(node.args[2])
    grid = Grid(tuple(before.scale * scale for scale in scales))
    return [kernel, to.file.tensor(f"{node.name}_bias", bias.shape, "int32", grid, bias.numpy())]


def _linear(to: TfliteWriter, node: Node) -> Value:
    """As FULLY_CONNECTED; one that gives floats is in int8s that span what it gives."""
    floats = "float" in str(node.target)
    rank = len(to.shape(node))
    source = to.read(node.args[0], tuple(range(rank)))
    result = to.result(node, tuple(range(rank)))
    bounds = (LOWEST, HIGHEST) if floats else _bounds(node, 6)
    weight = to.constant(node.args[1])
    to.counts(node.name, to.shape(node), weight.shape[1])
    constants = _weights(to, node, weight, 0, source.int8, None if floats else result.int8)
    activation = _activation(to, result.int8, *bounds)
    to.write(
        "FULLY_CONNECTED",
        [source, *constants],
        [result],
        "FullyConnectedOptions",
        keepNumDims=rank > 2,
        fusedActivationFunction=activation,
    )
    return result


def _add(to: TfliteWriter, node: Node) -> Value:
    """A sum."""
    return _of_two(to, node, "ADD", "AddOptions", 6)


def _multiply(to: TfliteWriter, node: Node) -> Value:
    """A product, of which one may be broadcast."""
    return _of_two(to, node, "MUL", "MulOptions", 6)


def _of_two(to: TfliteWriter, node: Node, code: str, options: str, bounds: int) -> Value:
    rank = len(to.shape(node))
    sources = [to.read(one, _usual_of(rank)) for one in node.args[:2]]
    if any(len(one.shape) != rank for one in sources):
        raise RunError(f"{code} of tensors of unlike ranks has no form in a .tflite file yet")
    result = to.result(node, sources[0].order)
    activation = _activation(to, result.int8, *_bounds(node, bounds))
    to.write(code, sources, [result], options, fusedActivationFunction=activation)
    return result


def _usual_of(rank: int) -> tuple[int, ...]:
    """The order in which operators of two meet."""
    return IMAGE if rank == 4 else tuple(range(rank))


def _product(to: TfliteWriter, node: Node) -> Value:
    """Of matrices of int8s, the second turned or not."""
    one, other = (to.read(operand, tuple(range(len(to.shape(operand))))) for operand in node.args[:2])
    result = to.result(node, tuple(range(len(to.shape(node)))))
    to.counts(node.name, to.shape(node), one.shape[-1])
    to.write("BATCH_MATMUL", [one, other], [result], "BatchMatMulOptions", adjY=node.args[6])
    return result


def _softmax(to: TfliteWriter, node: Node) -> Value:
    """The scale of what is exponentiated may be another than that of the scores."""
    plain = tuple(range(len(to.shape(node))))
    source = to.read(node.args[0], plain)
    result = to.result(node, plain)
    to.write("SOFTMAX", [source], [result], "SoftmaxOptions", beta=node.args[1] / source.int8.scale)
    return result


def _mean(to: TfliteWriter, node: Node) -> Value:
    """Over any dimensions."""
    source = to.read(node.args[0])
    dims = sorted(dim % len(source.shape) for dim in node.args[1])
    keep = bool(node.args[2])
    left = [dim for dim in source.order if keep or dim not in dims]
    order = tuple(sorted(left).index(dim) for dim in left)
    result = to.result(node, order)
    if _activation(to, result.int8, *_bounds(node, 6)):
        raise RunError("a clamped mean has no form in a .tflite file")
    axes = to.file.whole_numbers([source.order.index(dim) for dim in dims])
    to.write("MEAN", [source, axes], [result], "ReducerOptions", keepDims=keep)
    return result


def _concatenate(to: TfliteWriter, node: Node) -> Value:
    """Parts have one scale already."""
    rank = len(to.shape(node))
    order = _usual_of(rank)
    axis = argument(node, 1, "dim", 0) % rank
    result = to.result(node, order)
    dtype = to.known[node].dtype
    given = (to.typed(part, dtype) if result.affine is None else to.read(part) for part in node.args[0])
    parts = [to.ordered(part, order) for part in given]
    to.write("CONCATENATION", parts, [result], "ConcatenationOptions", axis=order.index(axis))
    return result


_INTEGER: dict[str, Form] = {
    **{"quantize": _quantize, "dequantize": _dequantize, "convolution": _convolution, "lookup": table_form},
    **{"linear": _linear, "linear_float": _linear, "add": _add, "multiply": _multiply, "mean": _mean},
    **{"product": _product, "softmax": _softmax},
}
_ATEN = {
    **{"max_pool2d": max_pool, "avg_pool2d": average_pool, "cat": _concatenate, "concat": _concatenate},
    **MOVES,
    **FLOATS,
    **CHOICES,
}
FORMS: dict[str, Form] = {
    operator.getitem.__name__: part,
    **{f"blockfront.{name}": form for name, form in _INTEGER.items()},
    **{f"aten.{name}": form for name, form in _ATEN.items()},
}
