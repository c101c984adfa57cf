"""Operators that look up, score, compare and pick tokens, in torch's own order."""

from __future__ import annotations

from collections.abc import Sequence

from tvm import relax

from blockfront.targets.compiler.importing.importer import Importer
from blockfront.targets.compiler.importing.rules import Node, argument, dtype_of, rule


@rule("amax.default", "sum.dim_IntList")
def _reduce(importer: Importer, node: Node) -> None:
    axes = argument(node, 1, "dim") or ()
    keep = bool(argument(node, 2, "keepdim", False))

    def add(value: relax.Expr, stored: Sequence[int], keepdims: bool) -> relax.Expr:
        typed = importer.block_builder.emit(relax.op.astype(value, dtype_of(node)))
        return relax.op.sum(typed, stored, keepdims=keepdims)

    importer.reduced(node, relax.op.max if node.target.__name__.startswith("amax") else add, axes, keep)


@rule("gather.default")
def _gather(importer: Importer, node: Node) -> None:
    """Whole rows where one index serves a row, as `index.unsqueeze(-1).expand(...)` says; an image is alone."""
    source, axis, index = node.args[:3]
    importer.restore(source)
    shape = source.meta["val"].shape
    rows = _index_of_rows(index) if len(shape) == 3 else index
    if rows is None or axis % len(shape) != 1 or len(shape) > 3 or shape[0] != 1:
        importer.restore(index)
        value = relax.op.gather_elements(importer.env[source], importer.env[index], axis)
    else:
        importer.restore(rows)
        count = int(index.meta["val"].shape[1])
        positions = importer.block_builder.emit(relax.op.reshape(importer.env[rows], [count]))
        value = relax.op.take(importer.env[source], positions, axis=1, mode="clip")
    importer.emit(node, value)


def _index_of_rows(index: Node) -> Node | None:
    """The (N, k) of which `index` (N, k, D) is an expansion; None where it is something else."""
    if index.op != "call_function" or index.target.__name__ != "expand.default":
        return None
    column = index.args[0]
    named = column.op == "call_function" and column.target.__name__ == "unsqueeze.default"
    return column.args[0] if named and column.args[1] in (-1, 2) else None


@rule("index_select.default")
def _index_select(importer: Importer, node: Node) -> None:
    """Along the axis where it is stored; TVM's own converter lets an index outside it read what lies there."""
    source, axis, index = node.args
    importer.restore(index)
    order = importer.order_of(source)
    stored = order.index(axis % len(order))
    value = relax.op.take(importer.env[source], importer.env[index], axis=stored, mode="clip")
    importer.emit(node, value, order)


@rule("embedding.default")
def _embedding(importer: Importer, node: Node) -> None:
    """Rows of a table; TVM's own converter lets an index outside it read what lies there."""
    table, index = node.args[:2]
    importer.restore(index)
    importer.emit(node, relax.op.take(importer.env[table], importer.env[index], axis=0, mode="clip"))


@rule("rsub.Scalar")
def _subtract_from(importer: Importer, node: Node) -> None:
    source = node.args[0]
    number = relax.const(node.args[1], dtype_of(node))
    importer.emit(node, relax.op.subtract(number, importer.env[source]), importer.order_of(source))
