"""Operators that move, cut and join tensors: most of them only change the order on paper."""

from __future__ import annotations

from tvm import relax

from blockfront.targets.compiler.importing.arithmetic import keep
from blockfront.targets.compiler.importing.importer import Importer
from blockfront.targets.compiler.importing.reshaping import identity, reshape_plan
from blockfront.targets.compiler.importing.rules import Node, argument, rule


@rule("cat.default")
def _concatenate(importer: Importer, node: Node) -> None:
    sources = [source for source in node.args[0] if source.meta["val"].numel()]
    rank = node.meta["val"].dim()
    order = next((importer.order[source] for source in sources if source in importer.order), identity(rank))
    values = [importer.stored(source, order) for source in sources]
    importer.emit(node, relax.op.concat(values, axis=order.index(argument(node, 1, "dim", 0) % rank)), order)


@rule("chunk.default", "split.Tensor", "split_with_sizes.default")
def _split(importer: Importer, node: Node) -> None:
    order = importer.order_of(node.args[0])
    axis = argument(node, 2, "dim", 0) % len(order)
    sizes = [part.shape[axis] for part in node.meta["val"]]
    indices = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
    value = importer.env[node.args[0]]
    if indices:
        importer.emit(node, relax.op.split(value, indices, axis=order.index(axis)))
    else:
        importer.env[node] = [value]
    importer.order[node] = order


@rule("getitem")
def _item(importer: Importer, node: Node) -> None:
    source, index = node.args
    value = importer.env[source][index]
    importer.env[node] = importer.block_builder.emit(value) if isinstance(value, relax.Expr) else value
    if source in importer.order:
        importer.order[node] = importer.order[source]


@rule("slice.Tensor")
def _slice(importer: Importer, node: Node) -> None:
    order = importer.order_of(node.args[0])
    axis = argument(node, 1, "dim", 0) % len(order)
    extent = node.args[0].meta["val"].shape[axis]
    start, end = argument(node, 2, "start") or 0, argument(node, 3, "end")
    step = argument(node, 4, "step", 1)
    start = max(start + extent, 0) if start < 0 else min(start, extent)
    end = extent if end is None else (end + extent if end < 0 else min(end, extent))
    if (start, end, step) == (0, extent, 1):
        keep(importer, node)
        return
    value = relax.op.strided_slice(importer.env[node.args[0]], [order.index(axis)], [start], [end], [step])
    importer.emit(node, value, order)


@rule("select.int")
def _select(importer: Importer, node: Node) -> None:
    order = importer.order_of(node.args[0])
    axis, index = node.args[1] % len(order), node.args[2]
    stored = order.index(axis)
    start = index % node.args[0].meta["val"].shape[axis]
    part = relax.op.strided_slice(importer.env[node.args[0]], [stored], [start], [start + 1])
    left = [dimension for dimension in order if dimension != axis]
    after = tuple(sorted(left).index(dimension) for dimension in left)
    importer.emit(node, relax.op.squeeze(importer.block_builder.emit(part), [stored]), after)


@rule("permute.default", "transpose.int")
def _permute(importer: Importer, node: Node) -> None:
    source = node.args[0]
    rank = source.meta["val"].dim()
    axes = list(range(rank))
    if node.target.__name__ == "permute.default":
        axes = [axis % rank for axis in node.args[1]]
    else:
        first, second = (axis % rank for axis in node.args[1:3])
        axes[first], axes[second] = second, first
    order = tuple(axes.index(dimension) for dimension in importer.order_of(source))
    importer.env[node] = importer.env[source]
    if order != identity(rank):
        importer.order[node] = order


@rule("view.default", "reshape.default", "_unsafe_view.default", "flatten.using_ints")
def _reshape(importer: Importer, node: Node) -> None:
    source = node.args[0]
    new = tuple(node.meta["val"].shape)
    plan = reshape_plan(tuple(source.meta["val"].shape), new, importer.order_of(source))
    value = importer.stored(source, plan.before)
    importer.emit(node, relax.op.reshape(value, [new[dimension] for dimension in plan.after]), plan.after)
