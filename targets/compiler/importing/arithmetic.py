"""Element-wise operators: they keep the order their input is stored in."""

from __future__ import annotations

from tvm import relax

from blockfront.targets.compiler.importing.importer import Importer
from blockfront.targets.compiler.importing.reshaping import identity
from blockfront.targets.compiler.importing.rules import Node, dtype_of, rule

_UNARY = [
    *["relu", "silu", "gelu", "sigmoid", "tanh", "leaky_relu", "elu"],
    *["exp", "sqrt", "rsqrt", "abs", "neg", "erf", "softplus", "log", "log1p", "log2", "log10", "expm1", "square"],
    *["reciprocal", "sin", "cos", "tan", "asin", "acos", "atan", "asinh", "acosh", "atanh", "sign", "selu"],
    *["floor", "ceil", "round", "trunc", "softsign", "softshrink", "clamp_min", "logical_not", "bitwise_not"],
    *["isnan", "isinf", "isfinite"],
]
_WITH_A_NUMBER = [
    *(f"{name}.Scalar" for name in ("add", "sub", "mul", "div", "eq", "ne", "lt", "le", "gt", "ge")),
    *["remainder.Scalar", "fmod.Scalar", "pow.Tensor_Scalar", "to.dtype"],
]
_BROADCASTING = [
    *(f"{name}.Tensor" for name in ("add", "sub", "mul", "div", "eq", "ne", "lt", "le", "gt", "ge")),
    *(f"{name}.default" for name in ("maximum", "minimum", "logical_and", "logical_or", "logical_xor", "atan2")),
    *["pow.Tensor_Tensor", "div.Tensor_mode", "where.self", "max.other", "min.other", "rsub.Tensor"],
]
_NOTHING = ["dropout", "contiguous", "alias", "clone", "detach"]


@rule(*(f"{name}.default" for name in _NOTHING))
def keep(importer: Importer, node: Node) -> None:
    source = node.args[0]
    importer.env[node] = importer.env[source]
    if source in importer.order:
        importer.order[node] = importer.order[source]
    if source in importer.padded:
        importer.padded[node] = importer.padded[source]


@rule("copy.default")
def _copy(importer: Importer, node: Node) -> None:
    """Of the type and shape of what is overwritten."""
    target, source = node.args[:2]
    shape = target.meta["val"].shape
    value = relax.op.astype(importer.env[source], dtype_of(node))
    if source.meta["val"].shape == shape:
        importer.emit(node, value, importer.order_of(source))
        return
    importer.restore(source)
    value = relax.op.astype(importer.env[source], dtype_of(node))
    importer.emit(node, relax.op.broadcast_to(importer.block_builder.emit(value), list(shape)))


@rule(*(f"{name}.default" for name in _UNARY), *_WITH_A_NUMBER)
def _unary(importer: Importer, node: Node) -> None:
    importer.converted(node, importer.order_of(node.args[0]))


@rule("clamp.default", "hardtanh.default", "relu6.default")
def _clamp(importer: Importer, node: Node) -> None:
    # As maximum and minimum rather than clip, which has a slow select in its kernel for NaN.
    value, limits = importer.env[node.args[0]], list(node.args[1:3])
    name, dtype = node.target.__name__, dtype_of(node)
    if name.startswith("relu6"):
        limits = [0.0, 6.0]
    elif name.startswith("hardtanh"):  # Whose trailing arguments are left out where they are the defaults.
        limits += [-1.0, 1.0][len(limits) :]
    bounds = [*limits, *[None] * (2 - len(limits))]
    for bound, op in zip(bounds, (relax.op.maximum, relax.op.minimum), strict=True):
        if bound is not None:
            value = importer.block_builder.emit(op(value, relax.const(bound, dtype)))
    importer.emit(node, value, importer.order_of(node.args[0]))


@rule("hardswish.default", "hardsigmoid.default")
def _hard(importer: Importer, node: Node) -> None:
    x = importer.env[node.args[0]]
    sixth, half, zero, one = (relax.const(value, dtype_of(node)) for value in (1 / 6, 0.5, 0.0, 1.0))
    inner = relax.op.add(relax.op.multiply(x, sixth), half)
    gate = relax.op.minimum(relax.op.maximum(inner, zero), one)
    value = relax.op.multiply(x, gate) if "swish" in node.target.__name__ else gate
    importer.emit(node, value, importer.order_of(node.args[0]))


@rule(*_BROADCASTING)
def _binary(importer: Importer, node: Node) -> None:
    operands = node.all_input_nodes
    rank = node.meta["val"].dim()
    full = [operand for operand in operands if operand.meta["val"].dim() == rank]
    order = next((importer.order[operand] for operand in full if operand in importer.order), identity(rank))
    narrow = {}
    for operand in operands:
        tensor = operand.meta["val"]
        if tensor.dim() < rank and tensor.dim() > 0:
            importer.restore(operand)
            if order != identity(rank):
                narrow[operand] = importer.env[operand]
                shape = [1] * (rank - tensor.dim()) + list(tensor.shape)
                wide = importer.block_builder.emit(relax.op.reshape(importer.env[operand], shape))
                importer.env[operand] = importer.block_builder.emit(relax.op.permute_dims(wide, list(order)))
        elif tensor.dim() == rank:
            importer.env[operand] = importer.stored(operand, order)
            importer.order[operand] = order
    importer.converted(node, order)
    # Other readers get an operand of fewer dimensions as it was.
    importer.env.update(narrow)
