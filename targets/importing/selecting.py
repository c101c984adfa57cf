"""Operators that score, compare and pick tokens, in torch's own order."""

from __future__ import annotations

from tvm import relax

from bench.targets.importing.importer import Importer, Node, argument, dtype_of, rule


@rule("amax.default", "sum.dim_IntList")
def _reduce(importer: Importer, node: Node) -> None:
    source = node.args[0]
    importer.restore(source)
    axes = argument(node, 1, "dim")
    keep = bool(argument(node, 2, "keepdim", False))
    value = importer.env[source]
    if node.target.__name__.startswith("amax"):
        importer.emit(node, relax.op.max(value, axes or None, keepdims=keep))
    else:
        value = importer.block_builder.emit(relax.op.astype(value, dtype_of(node)))
        importer.emit(node, relax.op.sum(value, axes or None, keepdims=keep))


@rule("rsub.Scalar")
def _subtract_from(importer: Importer, node: Node) -> None:
    source = node.args[0]
    number = relax.const(node.args[1], dtype_of(node))
    importer.emit(node, relax.op.subtract(number, importer.env[source]), importer.order_of(source))
