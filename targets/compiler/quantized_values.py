"""Everything else in quantised networks: bytes from floats and back, sums and products of two, means, tables.

As of layers (`quantized_layers.py`), what differs between operators of the same shape is an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tvm import te, tirx

from blockfront.targets.compiler.byte_operations import clamped, looked_up, rounded, word
from blockfront.targets.hardware.machine import WORD


def quantize(x: te.Tensor, scale: te.Tensor, points: te.Tensor, bounds: te.Tensor) -> te.Tensor:
    """float32 as bytes."""
    return te.compute(x.shape, lambda *i: _quantized(x(*i), scale, points, bounds), name="quantized")


def quantize_image(x: te.Tensor, scale: te.Tensor, points: te.Tensor, bounds: te.Tensor) -> te.Tensor:
    """An image (N, C, H, W) of at most four channels as one word a pixel, (N, H, W, 1); others are zero."""
    batch, channels, high, wide = x.shape

    def pixel(n: Any, h: Any, w: Any, _: Any) -> Any:
        values = [_quantized(x[n, c, h, w], scale, points, bounds) for c in range(int(channels))]
        return word(*values, *[tirx.const(0, bounds.dtype)] * (WORD - len(values)))

    return te.compute((batch, high, wide, 1), pixel, name="quantized_image")


def _quantized(value: Any, scale: te.Tensor, points: te.Tensor, bounds: te.Tensor) -> Any:
    # What is not a number is zero, and what no int32 holds is beyond all bounds.
    number = tirx.Select(value == value, value, tirx.const(0.0, "float32"))
    scaled = tirx.max(tirx.min(number * scale[0], tirx.const(1e6, "float32")), tirx.const(-1e6, "float32"))
    return rounded(scaled, points(0), bounds(0), bounds(1))


def dequantize(q: te.Tensor, scale: te.Tensor, points: te.Tensor) -> te.Tensor:
    """Bytes as float32."""
    return te.compute(
        q.shape, lambda *i: (q(*i).astype("int32") - points(0)).astype("float32") * scale[0], name="dequantized"
    )


def add(shift: int) -> Callable[..., te.Tensor]:
    """(a, b, int16 multipliers [2], int32 constant [1], bounds): see `blockfront.integer`."""

    def added(a: te.Tensor, b: te.Tensor, multipliers: te.Tensor, constant: te.Tensor, bounds: te.Tensor) -> te.Tensor:
        def element(*i: Any) -> Any:
            terms = [
                x.astype("int32") * multipliers[place].astype("int32") for place, x in enumerate(_broadcast(a, b, i))
            ]
            return clamped((terms[0] + terms[1] + constant[0]) >> shift, bounds(0), bounds(1))

        return te.compute(_broadcast_shape(a, b), element, name="added")

    return added


def multiply(a: te.Tensor, b: te.Tensor, multiplier: te.Tensor, points: te.Tensor, bounds: te.Tensor) -> te.Tensor:
    """`points`: the output's zero point and those of `a` and `b`."""

    def element(*i: Any) -> Any:
        first, second = (x.astype("int32") - points[1 + place] for place, x in enumerate(_broadcast(a, b, i)))
        return rounded((first * second).astype("float32") * multiplier[0], points(0), bounds(0), bounds(1))

    return te.compute(_broadcast_shape(a, b), element, name="multiplied")


def _broadcast(a: te.Tensor, b: te.Tensor, index: Sequence[Any]) -> list[Any]:
    """An element of each of two tensors of the same rank, of which some extents are 1."""
    return [x(*(0 if int(n) == 1 else i for n, i in zip(x.shape, index, strict=True))) for x in (a, b)]


def _broadcast_shape(a: te.Tensor, b: te.Tensor) -> list[int]:
    return [max(int(m), int(n)) for m, n in zip(a.shape, b.shape, strict=True)]


def mean(keep: bool) -> Callable[..., te.Tensor]:
    """(q, multiplier, points, bounds, *axes): `points` are the output's zero point, and the sum of the input's."""

    def averaged(q: te.Tensor, multiplier: te.Tensor, points: te.Tensor, bounds: te.Tensor, *axes: int) -> te.Tensor:
        reduced = {axis: te.reduce_axis((0, q.shape[axis]), name=f"r{axis}") for axis in axes}
        kept = [axis for axis in range(len(q.shape)) if keep or axis not in axes]

        def summed(*i: Any) -> Any:
            index = dict(zip(kept, i, strict=True)) | reduced
            return te.sum(q(*(index[axis] for axis in sorted(index))).astype("int32"), axis=list(reduced.values()))

        total = te.compute([1 if axis in axes else q.shape[axis] for axis in kept], summed, name="total")

        def scaled(*i: Any) -> Any:
            return rounded((total(*i) - points[1]).astype("float32") * multiplier[0], points(0), bounds(0), bounds(1))

        return te.compute(total.shape, scaled, name="averaged")

    return averaged


def lookup(q: te.Tensor, table: te.Tensor) -> te.Tensor:
    """Bytes by a table of 256, in the order of the values as they are stored."""
    return te.compute(q.shape, lambda *i: looked_up(q(*i), table(0)), name="lookup")


def widen(q: te.Tensor, groups: int) -> te.Tensor:
    """The channels of each group filled up to whole words; weights are zero there."""
    inputs = q.shape[-1] // groups
    padded = -(-inputs // WORD) * WORD

    def element(*i: Any) -> Any:
        within = i[-1] % padded
        return tirx.if_then_else(within < inputs, q(*i[:-1], i[-1] // padded * inputs + within), tirx.const(0, q.dtype))

    return te.compute((*q.shape[:-1], padded * groups), element, name="widened")


def moved(q: te.Tensor) -> te.Tensor:
    """Bytes of one type as those of the other, which are 128 apart."""
    other, apart = ("int8", -128) if str(q.dtype) == "uint8" else ("uint8", 128)
    return te.compute(q.shape, lambda *i: (q(*i).astype("int32") + apart).astype(other), name="moved")
