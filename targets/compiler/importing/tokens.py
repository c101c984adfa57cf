"""Linear layers and normalisation, on tensors whose features are stored innermost."""

from __future__ import annotations

from tvm import relax, te

from blockfront.targets.compiler.importing.importer import Importer
from blockfront.targets.compiler.importing.reshaping import identity
from blockfront.targets.compiler.importing.rules import Node, argument, dtype_of, rule
from blockfront.targets.compiler.legalizing import OUT_ELEMENTWISE_FUSIBLE, call_te


@rule("linear.default")
def _linear(importer: Importer, node: Node) -> None:
    data, weight, bias = node.args[0], node.args[1], argument(node, 2, "bias")
    rank = data.meta["val"].dim()
    if importer.order_of(data)[-1] != rank - 1:
        importer.restore(data)
    if weight.meta["val"].shape[0] == 1:
        # One column is no vector; rows of features are.
        arguments = importer.env[data], importer.env[weight]
        value = call_te(importer.block_builder, _row, *arguments, name="linear", attributes=OUT_ELEMENTWISE_FUSIBLE)
    else:
        value = relax.op.matmul(importer.env[data], importer.stored(weight, (1, 0)))
    if bias is not None:
        value = relax.op.add(importer.block_builder.emit(value), importer.env[bias])
    importer.emit(node, value, importer.order_of(data))


def _row(data: te.Tensor, weight: te.Tensor) -> te.Tensor:
    """(…, k) by (1, k) as (…, 1)."""
    k = te.reduce_axis((0, data.shape[-1]), name="k")
    return te.compute((*data.shape[:-1], 1), lambda *i: te.sum(data(*i[:-1], k) * weight[0, k], axis=k), name="linear")


@rule("layer_norm.default")
def _layer_norm(importer: Importer, node: Node) -> None:
    data, shape = node.args[0], node.args[1]
    weight, bias = importer.env.get(argument(node, 2, "weight")), importer.env.get(argument(node, 3, "bias"))
    rank = data.meta["val"].dim()
    count = len(shape)
    if importer.order_of(data)[-count:] != identity(rank)[-count:]:
        importer.restore(data)
    dtype = dtype_of(node)
    gamma = weight if weight is not None else relax.op.ones(shape, dtype)
    beta = bias if bias is not None else relax.op.zeros(shape, dtype)
    axes = list(range(rank - count, rank))
    eps = float(argument(node, 4, "eps", 1e-5))
    importer.emit(node, relax.op.nn.layer_norm(importer.env[data], gamma, beta, axes, eps), importer.order_of(data))


@rule("group_norm.default")
def _group_norm(importer: Importer, node: Node) -> None:
    """By the squares of what is centred: TVM's E[x²] - E[x]² leaves few digits where a mean is large.

    Means are over the pixels first, whose channels fill vectors, and then over the channels of a group.
    """
    data, groups = node.args[:2]
    batch, channels, *pixels = (int(extent) for extent in data.meta["val"].shape)
    rank = 2 + len(pixels)
    order = (0, *range(2, rank), 1)
    emit = importer.block_builder.emit

    def mean(values: relax.Expr) -> relax.Expr:
        of_channels = emit(relax.op.mean(values, list(range(1, rank - 1)))) if pixels else values
        split = [batch, groups, channels // groups]
        of_groups = emit(relax.op.mean(emit(relax.op.reshape(of_channels, split)), [-1], keepdims=True))
        spread = emit(relax.op.broadcast_to(of_groups, split))
        return emit(relax.op.reshape(spread, [batch, *[1] * len(pixels), channels]))

    values = importer.stored(data, order)
    centred = emit(relax.op.subtract(values, mean(values)))
    variance = mean(emit(relax.op.multiply(centred, centred)))
    eps = relax.const(float(argument(node, 4, "eps", 1e-5)), "float32")
    scale = emit(relax.op.rsqrt(emit(relax.op.add(variance, eps))))
    weight, bias = (importer.env[argument(node, position, name)] for position, name in ((2, "weight"), (3, "bias")))
    scaled = emit(relax.op.multiply(emit(relax.op.multiply(centred, scale)), weight))
    importer.emit(node, relax.op.add(scaled, bias), order)
