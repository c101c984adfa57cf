"""Images resized by bilinear and bicubic interpolation.

Interpolation is linear, and along each axis by itself: a pixel is a sum of few neighbours, whose weights are the same
in every line. Which neighbours and weights these are torch says itself, resizing images that are a unit matrix.
Channels that fill vectors stay innermost. Other images are resized in torch's own order: first each row, of an image
that is still small, and then whole rows at once, which are neighbours in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
from tvm import relax, te, tirx

from blockfront.targets.compiler.constants import constant
from blockfront.targets.compiler.importing.images import NHWC
from blockfront.targets.compiler.importing.importer import Importer
from blockfront.targets.compiler.importing.rules import Node, argument, name_of, rule
from blockfront.targets.compiler.legalizing import OUT_ELEMENTWISE_FUSIBLE, call_te

MOST_TAPS = 4
"""Of more neighbours, as where an image shrinks, the sum is a matrix product."""

_RESIZING = [
    f"{packet}.{overload}"
    for packet in ("upsample_bilinear2d", "upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa")
    for overload in ("vec", "default")
]
_VECTOR = 4
"""Channels that fill a vector of any processor, if not of its widest."""


@dataclass(frozen=True)
class Taps:
    """Pixel i along an axis is Σ_k weights[i, k] · before[starts[i] + k], or row i of the `matrix` times all before."""

    matrix: torch.Tensor
    starts: torch.Tensor
    weights: torch.Tensor

    @classmethod
    def of(cls, node: Node, axis: int) -> Taps:
        """Those of a call of a resizing operator, along axis 2 (height) or 3 (width)."""
        before = node.args[0].meta["val"].shape[axis]
        names = [one.name for one in node.target._schema.arguments]
        arguments = dict(zip(names, node.args, strict=False)) | node.kwargs
        # Each channel is one column of the unit matrix, in an image whose other axis stays as it is: of two pixels,
        # because torch's antialiased resizing of one column is wrong.
        unit = torch.eye(before, dtype=torch.float64)[None].unsqueeze(5 - axis)
        arguments[names[0]] = torch.cat([unit, unit], 5 - axis)
        for name, same in (("output_size", 2), ("scale_factors", 1.0)):
            if arguments.get(name) is not None:
                arguments[name] = [given if i == axis else same for i, given in enumerate(arguments[name], start=2)]
        arguments.pop({2: "scales_w", 3: "scales_h"}[axis], None)
        matrix = node.target(**arguments).select(5 - axis, 0)[0].T
        used = (matrix != 0).int()
        first, last = used.argmax(1), before - 1 - used.flip(1).argmax(1)
        count = int((last - first).max()) + 1
        starts = first.clamp(max=before - count)
        weights = matrix.gather(1, starts[:, None] + torch.arange(count))
        dtype = node.meta["val"].dtype
        return cls(matrix.to(dtype), starts.int(), weights.to(dtype))

    @property
    def count(self) -> int:
        """Neighbours of a pixel."""
        return self.weights.shape[1]

    @property
    def constants(self) -> list[relax.Expr]:
        """Starts and weights, as kernels read them."""
        return [constant(self.starts), constant(self.weights)]


@rule(*_RESIZING)
def _resize(importer: Importer, node: Node) -> None:
    rows, columns = Taps.of(node, 2), Taps.of(node, 3)
    if max(rows.count, columns.count) <= MOST_TAPS and _stays_channels_last(importer, node):
        importer.emit(node, _channels_last(importer, importer.env[node.args[0]], rows, columns), NHWC)
        return
    wide = columns_resized(importer, node, columns)
    if rows.count <= MOST_TAPS:
        importer.emit(node, _call(importer, interpolated, wide, *rows.constants, 2))
    else:
        importer.emit(node, relax.op.matmul(constant(rows.matrix), wide))


def columns_resized(importer: Importer, node: Node, columns: Taps) -> relax.Expr:
    """The image that a call resizes, in torch's own order and of its new width."""
    importer.restore(node.args[0])
    image = importer.env[node.args[0]]
    # Pixels that lie apart are read one by one; a product reads rows whole, and multiplies by zeros.
    product_cycles = columns.matrix.shape[1] / importer.multiply_adds
    if columns.count <= MOST_TAPS and product_cycles > columns.count:
        value = _call(importer, interpolated, image, *columns.constants, 3)
    else:
        value = relax.op.matmul(image, constant(columns.matrix.T))
    return importer.block_builder.emit(value)


def resizes(node: Node) -> bool:
    """Whether a call resizes an image as this module does."""
    return node.op == "call_function" and name_of(node.target) in _RESIZING


def chooses_channel(node: Node) -> bool:
    """Whether a call says which channel of an image is the largest."""
    return (
        node.op == "call_function"
        and name_of(node.target) == "argmax.default"
        and argument(node, 1, "dim") in (1, -3)
        and node.args[0].meta["val"].dim() == 4
    )


def _stays_channels_last(importer: Importer, node: Node) -> bool:
    """Whether the image is stored so, and is better read so: by convolutions, or with channels that fill vectors by
    whatever else the network has."""
    if importer.order_of(node.args[0]) != NHWC or all(user.op == "output" for user in node.users):
        return False
    convolved = any(user.op == "call_function" and "conv" in name_of(user.target) for user in node.users)
    chosen = any(map(chooses_channel, node.users))
    return convolved or (not chosen and node.meta["val"].shape[1] % _VECTOR == 0)


def _channels_last(importer: Importer, image: relax.Expr, rows: Taps, columns: Taps) -> relax.Expr:
    """Of four neighbours at once; of more along one axis first."""
    if rows.count * columns.count <= MOST_TAPS:
        return _call(importer, interpolated_twice, image, *rows.constants, *columns.constants)
    tall = importer.block_builder.emit(_call(importer, interpolated, image, *rows.constants, 1))
    return _call(importer, interpolated, tall, *columns.constants, 2)


def _call(importer: Importer, function: Callable[..., te.Tensor], *arguments: relax.Expr | int) -> relax.Call:
    return call_te(importer.block_builder, function, *arguments, name="interpolate", attributes=OUT_ELEMENTWISE_FUSIBLE)


def interpolated(image: te.Tensor, starts: te.Tensor, weights: te.Tensor, axis: int) -> te.Tensor:
    """An image along one axis, with the `starts` (after,) and `weights` (after, taps) of `Taps`."""

    def pixel(*i: tirx.Var) -> tirx.Expr:
        terms = _terms(starts, weights, i[axis], image.shape[axis])
        return reduce(add, (weight * image(*i[:axis], place, *i[axis + 1 :]) for place, weight in terms))

    shape = [*image.shape[:axis], starts.shape[0], *image.shape[axis + 1 :]]
    return te.compute(shape, pixel, name=interpolated.__name__)


def interpolated_twice(
    image: te.Tensor, row_starts: te.Tensor, row_weights: te.Tensor, starts: te.Tensor, weights: te.Tensor
) -> te.Tensor:
    """(N, H, W, C) to another height and width."""
    batch, high, wide, channels = image.shape

    def pixel(n: tirx.Var, y: tirx.Var, x: tirx.Var, c: tirx.Var) -> tirx.Expr:
        columns = _terms(starts, weights, x, wide)
        lines = (
            row_weight * reduce(add, (weight * image(n, row, column, c) for column, weight in columns))
            for row, row_weight in _terms(row_starts, row_weights, y, high)
        )
        return reduce(add, lines)

    shape = [batch, row_starts.shape[0], starts.shape[0], channels]
    return te.compute(shape, pixel, name=interpolated.__name__)


def _terms(
    starts: te.Tensor, weights: te.Tensor, at: tirx.Expr, before: tirx.Expr
) -> list[tuple[tirx.Expr, tirx.Expr]]:
    """Places and weights of what is added up at a pixel; within the image, whatever the numbers in `starts` are."""
    taps = int(weights.shape[1])
    start = tirx.max(tirx.min(starts[at], before - taps), 0)
    return [(start + k, weights[at, k]) for k in range(taps)]
