"""Attention, fused or written out, with keys padded to whole vectors.

Scores of 197 tokens fill no vectors; padded to 208 columns that a mask takes out again they do. A softmax of scores
that torch computes itself, for a method that reads the weights, is recognised and padded too: the padded weights stay
with the importer for whatever reads them next.
"""

from __future__ import annotations

import math

import numpy as np
from tvm import relax

from blockfront.targets.compiler.importing.importer import Importer
from blockfront.targets.compiler.importing.rules import Node, argument, dtype_of, rule

_TOKENS = 16
_IGNORED = {"float32": -1e30, "float16": -6e4}


@rule("scaled_dot_product_attention.default")
def _attention(importer: Importer, node: Node) -> None:
    """softmax(q kᵀ · scale + mask) v, (N, heads, tokens, width) each: three kernels with rules of their own."""
    for source in node.all_input_nodes:
        importer.restore(source)
    query, key, value = (importer.env[argument] for argument in node.args[:3])
    mask = argument(node, 3, "attn_mask")
    shape = node.args[1].meta["val"].shape
    rank, tokens = len(shape), shape[-2]
    given = node.kwargs.get("scale")
    scale = 1 / math.sqrt(shape[-1]) if given is None else given
    transposed = relax.op.permute_dims(key, [*range(rank - 2), rank - 1, rank - 2])
    keys = _padded(importer, importer.block_builder.emit(transposed), -1)
    scores = importer.block_builder.emit(relax.op.matmul(query, keys))
    scores = importer.block_builder.emit(relax.op.multiply(scores, relax.const(float(scale), dtype_of(node))))
    weights = _weights(importer, scores, tokens, None if mask is None else importer.env[mask])
    importer.emit(node, relax.op.matmul(weights, _padded(importer, value, -2)))


@rule("softmax.int")
def _softmax(importer: Importer, node: Node) -> None:
    scores = node.args[0]
    order = importer.order_of(scores)
    axis = node.args[1] % len(order)
    product, bias = _sum_of_product(scores)
    if product is None or axis != len(order) - 1 or order[-1] != axis or len(scores.users) > 1:
        importer.emit(node, relax.op.nn.softmax(importer.env[scores], axis=order.index(axis)), order)
        return
    query, keys = product.args
    for source in (query, keys, *([] if bias is None else [bias])):
        importer.restore(source)
    tokens = scores.meta["val"].shape[-1]
    keys_padded = _padded(importer, importer.env[keys], -1)
    wide = importer.block_builder.emit(relax.op.matmul(importer.env[query], keys_padded))
    weights = _weights(importer, wide, tokens, None if bias is None else importer.env[bias])
    importer.emit(node, _first(weights, tokens))
    importer.padded[node] = weights


@rule("matmul.default")
def _multiply(importer: Importer, node: Node) -> None:
    """Weights as they are padded; and one column as a vector, so that it is read along memory as the rows are."""
    left, right = node.args
    importer.restore(left)
    importer.restore(right)
    shape = right.meta["val"].shape
    if left in importer.padded:
        importer.emit(node, relax.op.matmul(importer.padded[left], _padded(importer, importer.env[right], -2)))
    elif len(shape) == 2 and shape[1] == 1 and left.meta["val"].dim() > 1:
        column = importer.block_builder.emit(relax.op.reshape(importer.env[right], [shape[0]]))
        product = importer.block_builder.emit(relax.op.matmul(importer.env[left], column))
        importer.emit(node, relax.op.reshape(product, list(node.meta["val"].shape)))
    else:
        importer.emit(node, relax.op.matmul(importer.env[left], importer.env[right]))


@rule("mean.dim")
def _mean(importer: Importer, node: Node) -> None:
    source, axes = node.args[:2]
    keep = bool(argument(node, 2, "keepdim", False))
    rank = source.meta["val"].dim()
    stored = [axis % rank for axis in axes]
    if source in importer.padded and stored and rank - 1 not in stored:
        padded = importer.block_builder.emit(relax.op.mean(importer.padded[source], stored, keepdims=keep))
        importer.emit(node, _first(padded, source.meta["val"].shape[-1]))
        importer.padded[node] = padded
    else:
        importer.reduced(node, relax.op.mean, axes, keep)


def _sum_of_product(scores: Node) -> tuple[Node | None, Node | None]:
    """The matrix product that `scores` is, and what is added to it where that does not depend on the query."""
    if _is_product(scores):
        return scores, None
    if scores.op == "call_function" and scores.target.__name__ == "add.Tensor" and len(scores.args) == 2:
        product, bias = scores.args
        if _is_product(product) and getattr(bias, "meta", None) and len(product.users) == 1:
            return product, bias
    return None, None


def _is_product(node: Node) -> bool:
    return node.op == "call_function" and node.target.__name__ == "matmul.default" and node.meta["val"].dim() == 4


def _weights(importer: Importer, scores: relax.Expr, tokens: int, bias: relax.Expr | None) -> relax.Expr:
    """Softmax of padded scores of which the first `tokens` columns count."""
    spare = -tokens % _TOKENS
    if bias is not None:
        wide = _padded(importer, bias, -1) if int(bias.ty.shape.values[-1]) == tokens else bias
        scores = importer.block_builder.emit(relax.op.add(scores, wide))
    if spare:
        dtype = str(scores.ty.dtype)
        ignored = np.where(np.arange(tokens + spare) < tokens, 0.0, _IGNORED[dtype]).astype(dtype)
        scores = importer.block_builder.emit(relax.op.add(scores, relax.const(ignored)))
    return importer.block_builder.emit(relax.op.nn.softmax(scores, axis=-1))


def _padded(importer: Importer, tensor: relax.Expr, axis: int) -> relax.Expr:
    """Zeros up to whole vectors of tokens."""
    extents = [int(extent) for extent in tensor.ty.shape.values]
    spare = -extents[axis] % _TOKENS
    widths = [0] * (2 * len(extents))
    widths[2 * (axis % len(extents)) + 1] = spare
    return importer.block_builder.emit(relax.op.nn.pad(tensor, widths)) if spare else tensor


def _first(tensor: relax.Expr, columns: int) -> relax.Expr:
    extents = tensor.ty.shape.values
    whole = int(extents[-1]) == columns
    return tensor if whole else relax.op.strided_slice(tensor, [len(extents) - 1], [0], [columns], [1])
