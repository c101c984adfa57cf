"""Where the largest value is, which are the labels of an image of scores: its channel that is largest at each pixel."""

from __future__ import annotations

from collections.abc import Callable

from tvm import relax, te, tirx

from blockfront.targets.compiler.importing.importer import Importer
from blockfront.targets.compiler.importing.resizing import (
    MOST_TAPS,
    Taps,
    chooses_channel,
    columns_resized,
    interpolated,
    resizes,
)
from blockfront.targets.compiler.importing.rules import Node, argument, rule
from blockfront.targets.compiler.legalizing import OUT_ELEMENTWISE_FUSIBLE, call_te

_EXACT = 1 << 24
"""Whole numbers up to here are exact in float32."""


@rule("argmax.default")
def _argmax(importer: Importer, node: Node) -> None:
    source, axis = node.args[0], argument(node, 1, "dim")
    shape, emit = list(node.meta["val"].shape), importer.block_builder.emit
    if axis is None:
        importer.restore(source)
        flat = emit(relax.op.reshape(importer.env[source], [source.meta["val"].numel()]))
        importer.emit(node, relax.op.reshape(emit(_call(importer, place_of_largest, flat, 0)), shape))
        return
    if chooses_channel(node) and resizes(source) and len(source.users) == 1:
        rows = Taps.of(source, 2)
        if rows.count <= MOST_TAPS:
            # The resized image need never be in memory.
            wide = columns_resized(importer, source, Taps.of(source, 3))
            value = emit(_call(importer, largest_of_interpolated, wide, *rows.constants))
            importer.emit(node, relax.op.reshape(value, shape))
            return
    order = importer.order_of(source) or (0,)
    axis %= len(order)
    value = _call(importer, place_of_largest, importer.env[source], order.index(axis))
    if argument(node, 2, "keepdim", False):
        importer.emit(node, value, order)
        return
    left = [dimension for dimension in order if dimension != axis]
    after = tuple(sorted(left).index(dimension) for dimension in left)
    importer.emit(node, relax.op.reshape(emit(value), [shape[dimension] for dimension in after]), after)


def _call(importer: Importer, function: Callable[..., te.Tensor], *arguments: relax.Expr | int) -> relax.Call:
    return call_te(importer.block_builder, function, *arguments, name="argmax", attributes=OUT_ELEMENTWISE_FUSIBLE)


def largest_of_interpolated(image: te.Tensor, starts: te.Tensor, weights: te.Tensor) -> te.Tensor:
    """(N, C, H, W) to another height, and the channel that is largest there (N, 1, H, W)."""
    return place_of_largest(interpolated(image, starts, weights, 2), 1)


def place_of_largest(values: te.Tensor, axis: int) -> te.Tensor:
    """The first place of the largest value along an axis, which stays, as int64."""
    count = int(values.shape[axis])
    number = "float32" if count <= _EXACT else "int64"
    kept = [*values.shape[:axis], 1, *values.shape[axis + 1 :]]

    def reduced(name: str, step: Callable[..., tirx.Expr]) -> te.Tensor:
        k = te.reduce_axis((0, count), name="k")
        return te.compute(kept, lambda *i: te.max(step(values(*i[:axis], k, *i[axis + 1 :]), k, *i), axis=k), name=name)

    largest = reduced("largest", lambda value, *_: value)

    def from_end(value: tirx.Expr, k: tirx.Expr, *i: tirx.Var) -> tirx.Expr:
        return tirx.Select(value == largest(*i), (count - 1 - k).astype(number), tirx.const(0, number))

    # Of equal values the first is furthest from the end.
    furthest = reduced("furthest", from_end)
    return te.compute(kept, lambda *i: (count - 1 - furthest(*i)).astype("int64"), name="place_of_largest")
