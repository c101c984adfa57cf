"""Linear layers, normalisation and attention, on tensors whose features are stored innermost."""

from __future__ import annotations

import math

import numpy as np
from tvm import relax

from bench.targets.importing.importer import Importer, Node, argument, rule
from bench.targets.importing.reshaping import identity

_TOKENS = 16


@rule("linear.default")
def _linear(importer: Importer, node: Node) -> None:
    data, weight, bias = node.args[0], node.args[1], argument(node, 2, "bias")
    rank = data.meta["val"].dim()
    if importer.order_of(data)[-1] != rank - 1:
        importer.restore(data)
    value = relax.op.matmul(importer.env[data], importer.stored(weight, (1, 0)))
    if bias is not None:
        value = relax.op.add(importer.block_builder.emit(value), importer.env[bias])
    importer.emit(node, value, importer.order_of(data))


@rule("layer_norm.default")
def _layer_norm(importer: Importer, node: Node) -> None:
    data, shape = node.args[0], node.args[1]
    weight, bias = importer.env.get(argument(node, 2, "weight")), importer.env.get(argument(node, 3, "bias"))
    rank = data.meta["val"].dim()
    count = len(shape)
    if importer.order_of(data)[-count:] != identity(rank)[-count:]:
        importer.restore(data)
    dtype = "float32"
    gamma = weight if weight is not None else relax.op.ones(shape, dtype)
    beta = bias if bias is not None else relax.op.zeros(shape, dtype)
    axes = list(range(rank - count, rank))
    eps = float(argument(node, 4, "eps", 1e-5))
    importer.emit(node, relax.op.nn.layer_norm(importer.env[data], gamma, beta, axes, eps), importer.order_of(data))


@rule("softmax.int")
def _softmax(importer: Importer, node: Node) -> None:
    order = importer.order_of(node.args[0])
    axis = order.index(node.args[1] % len(order))
    importer.emit(node, relax.op.nn.softmax(importer.env[node.args[0]], axis=axis), order)


@rule("scaled_dot_product_attention.default")
def _attention(importer: Importer, node: Node) -> None:
    """softmax(q kᵀ · scale + mask) v, (N, heads, tokens, width) each: three kernels with rules of their own.

    Keys and values are padded to a multiple of 16 tokens, and the padding masked out, so that the scores fill
    whole vectors whatever the number of tokens.
    """
    for source in node.all_input_nodes:
        importer.restore(source)
    query, key, value = (importer.env[argument] for argument in node.args[:3])
    mask = argument(node, 3, "attn_mask")
    if argument(node, 5, "is_causal", False):
        raise ValueError("causal attention is not supported: it does not occur in image classifiers")
    shape = node.args[1].meta["val"].shape
    rank, tokens = len(shape), shape[-2]
    spare = -tokens % _TOKENS
    scale = node.kwargs.get("scale") or 1 / math.sqrt(shape[-1])
    builder = importer.block_builder

    def padded(tensor: relax.Expr, axis: int) -> relax.Expr:
        widths = [0] * (2 * len(tensor.ty.shape.values))
        widths[2 * axis + 1] = spare
        return builder.emit(relax.op.nn.pad(tensor, widths)) if spare else tensor

    transposed = relax.op.permute_dims(key, [*range(rank - 2), rank - 1, rank - 2])
    scores = builder.emit(relax.op.matmul(query, padded(builder.emit(transposed), -1)))
    scores = builder.emit(relax.op.multiply(scores, relax.const(float(scale), "float32")))
    if mask is not None:
        scores = builder.emit(relax.op.add(scores, padded(importer.env[mask], -1)))
    if spare:
        ignored = np.where(np.arange(tokens + spare) < tokens, 0.0, -1e30).astype("float32")
        scores = builder.emit(relax.op.add(scores, relax.const(ignored)))
    weights = builder.emit(relax.op.nn.softmax(scores, axis=-1))
    importer.emit(node, relax.op.matmul(weights, padded(value, -2)))
