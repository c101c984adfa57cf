"""Forms of operators that the int8 network has in float32: no NPU does them, the processor beside it has to."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import Any

import torch

from blockfront.errors import RunError
from blockfront.targets.compiler.importing.rules import Node, argument
from blockfront.targets.latency.ethos.choices import broadcast
from blockfront.targets.latency.ethos.writer import Form, TfliteWriter, Value

_OPTIONS = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "DIV": "DivOptions", "POW": "PowOptions"}


def _of_one(code: str, options: str = "", **fields: Any) -> Form:
    def form(to: TfliteWriter, node: Node) -> Value:
        source = to.floats(node.args[0])
        result = to.result(node, source.order)
        to.write(code, [source], [result], options, **fields)
        return result

    return form


def _silu(to: TfliteWriter, node: Node) -> Value:
    source = to.floats(node.args[0])
    sigmoid = to.tensor("sigmoid", source.shape, source.order, None)
    to.write("LOGISTIC", [source], [sigmoid])
    return _arithmetic(to, "MUL", source, sigmoid, to.result(node, source.order))


def _leaky_relu(to: TfliteWriter, node: Node) -> Value:
    source = to.floats(node.args[0])
    result = to.result(node, source.order)
    alpha = argument(node, 1, "negative_slope", 0.01)
    to.write("LEAKY_RELU", [source], [result], "LeakyReluOptions", alpha=alpha)
    return result


def _hard_sigmoid(to: TfliteWriter, node: Node) -> Value:
    shifted = _arithmetic(to, "ADD", to.floats(node.args[0]), to.number(3.0))
    clamped = to.tensor("relu6", shifted.shape, shifted.order, None)
    to.write("RELU6", [shifted], [clamped])
    return _arithmetic(to, "MUL", clamped, to.number(1 / 6), to.result(node, clamped.order))


def _gelu(to: TfliteWriter, node: Node) -> Value:
    source = to.floats(node.args[0])
    result = to.result(node, source.order)
    to.write("GELU", [source], [result], "GeluOptions", approximate=argument(node, 1, "approximate", "none") == "tanh")
    return result


def _of_two(code: str) -> Form:
    """Broadcast as torch does it; one may be a number."""

    def form(to: TfliteWriter, node: Node) -> Value:
        if argument(node, 2, "alpha", 1) != 1:
            raise RunError(f"{node.name} with a factor has no form in a .tflite file")
        rank = len(to.shape(node))
        values = [to.typed(one, to.known[node].dtype) for one in node.args[:2]]
        order = next(value.order for value in values if len(value.shape) == rank)
        one, other = (broadcast(to, value, order) for value in values)
        return _arithmetic(to, code, one, other, to.result(node, order))

    return form


def _arithmetic(to: TfliteWriter, code: str, one: Value, other: Value, result: Value | None = None) -> Value:
    """The result is of the first one's shape where none is given."""
    result = result or to.tensor(code.lower(), one.shape, one.order, None)
    to.write(code, [one, other], [result], _OPTIONS[code])
    return result


def _layer_norm(to: TfliteWriter, node: Node) -> Value:
    source = to.floats(node.args[0])
    dims = range(len(source.shape))[-len(node.args[1]) :]
    constants = [(code, broadcast(to, one, source.order)) for code, one in _scale_and_shift(to, node)]
    return _normalised(to, node, source, dims, constants)


def _group_norm(to: TfliteWriter, node: Node) -> Value:
    source = to.floats(node.args[0])
    if node.args[1] != 1:
        raise RunError(f"{node.name} of several groups has no form in a .tflite file")
    rank = len(source.shape)
    constants = [
        (code, broadcast(to, to.reshape(one, (*one.shape, *[1] * (rank - 2))), source.order))
        for code, one in _scale_and_shift(to, node)
    ]
    return _normalised(to, node, source, range(1, rank), constants)


def _scale_and_shift(to: TfliteWriter, node: Node) -> list[tuple[str, Value]]:
    """The constants that a norm has, each behind the operator that takes it."""
    found = [(code, argument(node, place, name)) for code, place, name in (("MUL", 2, "weight"), ("ADD", 3, "bias"))]
    return [(code, to.floats(one)) for code, one in found if one is not None]


def _normalised(
    to: TfliteWriter, node: Node, source: Value, dims: Iterable[int], constants: Iterable[tuple[str, Value]]
) -> Value:
    """Less its mean over dimensions and over its deviation, then with the constants by their operators."""
    kept = [1 if dim in dims else extent for dim, extent in enumerate(source.shape)]
    axes = to.file.whole_numbers([source.order.index(dim) for dim in dims])

    def mean(value: Value) -> Value:
        made = to.tensor("mean", kept, source.order, None)
        to.write("MEAN", [value, axes], [made], "ReducerOptions", keepDims=True)
        return made

    centred = _arithmetic(to, "SUB", source, mean(source))
    variance = mean(_arithmetic(to, "MUL", centred, centred))
    inverse = to.tensor("rsqrt", kept, source.order, None)
    to.write("RSQRT", [_arithmetic(to, "ADD", variance, to.number(argument(node, 4, "eps", 1e-5)))], [inverse])
    found = _arithmetic(to, "MUL", centred, inverse)
    for code, constant in constants:
        found = _arithmetic(to, code, found, constant)
    return found


def _softmax(to: TfliteWriter, node: Node) -> Value:
    source = to.floats(node.args[0])
    dim = argument(node, 1, "dim") % len(source.shape)
    order = (*(one for one in source.order if one != dim), dim)
    result = to.result(node, order)
    to.write("SOFTMAX", [to.ordered(source, order)], [result], "SoftmaxOptions", beta=1.0)
    return result


def _product(to: TfliteWriter, one: Value, other: Value, result: Value, name: str, turned: bool = False) -> Value:
    """Of matrices as torch has them, the second turned or not."""
    plain = tuple(range(len(result.shape)))
    operands = to.ordered(one, plain), to.ordered(other, plain)
    to.write("BATCH_MATMUL", operands, [result], "BatchMatMulOptions", adjY=turned)
    to.counts(name, result.shape, one.shape[-1])
    return result


def _matmul(to: TfliteWriter, node: Node) -> Value:
    plain = tuple(range(len(to.shape(node))))
    operands = [to.floats(operand) for operand in node.args[:2]]
    if any(len(one.shape) < 2 for one in operands):
        raise RunError(f"{node.name} of a vector has no form in a .tflite file")
    one, other = (broadcast(to, operand, plain) for operand in operands)
    return _product(to, one, other, to.result(node, plain), node.name)


def _attention(to: TfliteWriter, node: Node) -> Value:
    mask = argument(node, 3, "attn_mask")
    if argument(node, 5, "is_causal", False) or (mask is not None and to.known[mask].dtype != torch.float32):
        raise RunError("attention masked by anything but numbers has no form in a .tflite file")
    query, key, value = (to.floats(one) for one in node.args[:3])
    plain = tuple(range(len(query.shape)))
    scale = argument(node, 6, "scale") or 1 / sqrt(query.shape[-1])
    name, shape = f"{node.name}_scores", (*query.shape[:-1], key.shape[-2])
    scores, shares = to.tensor(name, shape, plain, None), to.tensor("softmax", shape, plain, None)
    _product(to, _arithmetic(to, "MUL", query, to.number(scale)), key, scores, name, turned=True)
    if mask is not None:
        scores = _arithmetic(to, "ADD", scores, broadcast(to, to.floats(mask), plain))
    to.write("SOFTMAX", [scores], [shares], "SoftmaxOptions", beta=1.0)
    return _product(to, shares, value, to.result(node, plain), node.name)


def _mean(to: TfliteWriter, node: Node) -> Value:
    source = to.floats(node.args[0])
    pooled = "adaptive" in str(node.target)
    if pooled and to.shape(node)[2:] != (1, 1):
        raise RunError(f"{node.name} to several pixels has no form in a .tflite file")
    dims = [2, 3] if pooled else [dim % len(source.shape) for dim in argument(node, 1, "dim")]
    keep = pooled or bool(argument(node, 2, "keepdim", False))
    left = [dim for dim in source.order if keep or dim not in dims]
    result = to.result(node, tuple(sorted(left).index(dim) for dim in left))
    axes = to.file.whole_numbers([source.order.index(dim) for dim in dims])
    to.write("MEAN", [source, axes], [result], "ReducerOptions", keepDims=keep)
    return result


FLOATS: dict[str, Form] = {
    **{"add": _of_two("ADD"), "sub": _of_two("SUB"), "mul": _of_two("MUL"), "div": _of_two("DIV")},
    **{"relu": _of_one("RELU"), "sigmoid": _of_one("LOGISTIC"), "tanh": _of_one("TANH"), "exp": _of_one("EXP")},
    **{"rsqrt": _of_one("RSQRT"), "sqrt": _of_one("SQRT"), "log": _of_one("LOG"), "pow": _of_two("POW")},
    **{"relu6": _of_one("RELU6"), "hardswish": _of_one("HARD_SWISH"), "hardsigmoid": _hard_sigmoid},
    "leaky_relu": _leaky_relu,
    **{"layer_norm": _layer_norm, "group_norm": _group_norm},
    **{"silu": _silu, "gelu": _gelu, "softmax": _softmax, "matmul": _matmul, "bmm": _matmul},
    **{"scaled_dot_product_attention": _attention, "mean": _mean, "adaptive_avg_pool2d": _mean},
}
