"""Kernels of quantised networks: what each operator of `blockfront.integer` computes, on bytes stored channels-last.

Whatever differs between layers of the same shape is an argument, so that they share one kernel: biases with the input's
zero point in them, multipliers, zero points, bounds. A value is a byte with a sign or without one (`Machine.byte`); the
two differ by 128, in the zero points as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tvm
from tvm import te, tirx

from blockfront.targets.compiler.instructions import clamped, dot, half, looked_up, rounded, word
from blockfront.targets.hardware.machine import WORD


def shift_of(byte: str) -> int:
    """What is added to an int8 where it is stored as `byte`."""
    return 128 if byte == "uint8" else 0


def _words(x: te.Tensor, weights: te.Tensor) -> te.Tensor:
    """(…, C) bytes, or (…, C / 4) words of them, as words of the weights' size: the same memory
    (`schedules/words.py`)."""
    if x.dtype == weights.dtype:
        return x
    if str(x.dtype) == "int32":
        return te.compute((*x.shape[:-1], 2 * x.shape[-1]), lambda *i: half(x(*i[:-1], i[-1] // 2), i[-1] % 2), "words")
    size = tvm.DataType(str(weights.dtype)).bits // 8
    return te.compute(
        (*x.shape[:-1], x.shape[-1] // size),
        lambda *i: word(*(x(*i[:-1], i[-1] * size + place) for place in range(size))),
        name="words",
    )


def _dots(activation: Callable[[Any], Any], weights: Callable[[Any], Any], k: Any, byte: str) -> Any:
    """The products of four bytes, of which the words `k` of both operands, or those two there, consist."""
    count = WORD // (tvm.DataType(str(weights(0).ty.dtype)).bits // 8)
    terms = [dot(activation(k * count + place), weights(k * count + place), byte) for place in range(count)]
    return sum(terms[1:], start=terms[0])


def _bordered(x: te.Tensor, pads: Sequence[int], value: Any) -> te.Tensor:
    """An image (N, H, W, C) with a border of `pads` (above, left, below, right), which holds `value`."""
    if not any(pads):
        return x
    batch, high, wide, channels = x.shape
    above, left, below, right = pads

    def element(n: Any, h: Any, w: Any, c: Any) -> Any:
        inside = tirx.all(h >= above, h < high + above, w >= left, w < wide + left)
        return tirx.if_then_else(inside, x[n, h - above, w - left, c], value)

    return te.compute((batch, high + above + below, wide + left + right, channels), element, name="border")


def convolution(
    x: te.Tensor,
    weights: te.Tensor,
    bias: te.Tensor,
    multiplier: te.Tensor,
    points: te.Tensor,
    bounds: te.Tensor,
    *sizes: int,
) -> te.Tensor:
    """Sums of dot products. `x`: bytes (N, H, W, C), or int32 words (N, H, W, C / 4); `weights`: words (kh, kw,
    C / groups / 4, O), or twice as many int16; `points`: the output's zero point and a word of the border; `bounds`:
    two bytes. `sizes`: height and width of the output, strides, dilation, pads, groups.
    """
    high, wide, down, along, apart_y, apart_x, *pads, groups = sizes
    image = _bordered(_words(x, weights), pads, points(1).astype(weights.dtype))
    kernel_y, kernel_x, inputs, outputs = weights.shape
    steps = inputs * tvm.DataType(str(weights.dtype)).bits // 8 // WORD
    dy, dx, k = (te.reduce_axis((0, n), name=name) for n, name in ((kernel_y, "dy"), (kernel_x, "dx"), (steps, "k")))

    def product(n: Any, h: Any, w: Any, o: Any) -> Any:
        first = o // (outputs // groups) * inputs if groups > 1 else 0
        dots = _dots(
            lambda i: image(n, h * down + dy * apart_y, w * along + dx * apart_x, first + i),
            lambda i: weights(dy, dx, i, o),
            k,
            str(bounds.dtype),
        )
        return te.sum(dots, axis=[dy, dx, k])

    total = te.compute((x.shape[0], high, wide, outputs), product, name="total")
    return _requantized(total, bias, multiplier, points, bounds)


def depthwise(
    x: te.Tensor,
    weights: te.Tensor,
    bias: te.Tensor,
    multiplier: te.Tensor,
    points: te.Tensor,
    bounds: te.Tensor,
    *sizes: int,
) -> te.Tensor:
    """As `convolution`, of one channel a group: `weights` (kh, kw, C) of the type that sums are in, int32 or float32,
    or of bytes. The border holds the second of the `points`, a byte.
    """
    high, wide, down, along, apart_y, apart_x, *pads, _ = sizes
    image = _bordered(x, pads, points[1].astype(x.dtype))
    kernel_y, kernel_x, channels = weights.shape
    dy, dx = (te.reduce_axis((0, n), name=name) for n, name in ((kernel_y, "dy"), (kernel_x, "dx")))
    sums = "float32" if str(weights.dtype) == "float32" else "int32"

    def product(n: Any, h: Any, w: Any, c: Any) -> Any:
        def tap(x: Any) -> Any:
            there = image(n, h * down + dy * apart_y, w * along + x * apart_x, c)
            return there.astype(sums) * weights(dy, x, c).astype(sums)

        if str(weights.dtype) == "int8":
            # Taps side by side, of which the products of two are added before they are widened.
            return te.sum(sum((tap(x) for x in range(1, int(kernel_x))), start=tap(0)), axis=dy)
        return te.sum(tap(dx), axis=[dy, dx])

    total = te.compute((x.shape[0], high, wide, channels), product, name="total")
    return _requantized(total, bias, multiplier, points, bounds)


def depthwise_zipped(
    x: te.Tensor,
    weights: te.Tensor,
    bias: te.Tensor,
    multiplier: te.Tensor,
    points: te.Tensor,
    bounds: te.Tensor,
    *sizes: int,
) -> te.Tensor:
    """As `depthwise`, with four rows of a window in one word: `weights` are words (kh / 4, kw, C) of columns; the last
    two of the `sizes` are the window's height, and whether loads may be masked where they would read the border."""
    high, wide, down, along, apart_y, apart_x, *pads, kernel_y, masked = sizes
    if not masked:
        x, pads = _bordered(x, pads, points(1).astype(x.dtype)), [0] * 4
    batch, rows, width, channels = x.shape
    dx = te.reduce_axis((0, weights.shape[1]), name="dx")
    outside = points(1).astype(x.dtype)

    def value(n: Any, h: Any, w: Any, c: Any, dy: int) -> Any:
        """Of a row of the window, which above and below the image is border."""
        first, last = dy * apart_y - pads[0], (high - 1) * down + dy * apart_y - pads[0]
        row = h * down + first
        if first >= 0 and last < rows:
            return x[n, row, w, c]
        there = x[n, tirx.max(tirx.min(row, rows - 1), 0), w, c]
        return tirx.Select(tirx.all(row >= 0, row < rows), there, outside)

    def column(first: int) -> te.Tensor:
        def element(n: Any, h: Any, w: Any, c: Any) -> Any:
            within = range(first, min(first + WORD, kernel_y))
            nothing = [tirx.const(0, x.dtype)] * (WORD - len(within))
            inside = word(*(value(n, h, w - pads[1], c, dy) for dy in within), *nothing)
            border = word(*[outside] * len(within), *nothing)
            if not any(pads):
                return inside
            return tirx.if_then_else(tirx.all(w >= pads[1], w < width + pads[1]), inside, border)

        return te.compute((batch, high, pads[1] + width + pads[3], channels), element, name=f"column_{first}")

    columns = [column(first) for first in range(0, kernel_y, WORD)]

    def product(n: Any, h: Any, w: Any, c: Any) -> Any:
        dots = [
            dot(one[n, h, w * along + dx * apart_x, c], weights[row, dx, c], str(x.dtype))
            for row, one in enumerate(columns)
        ]
        return te.sum(sum(dots[1:], start=dots[0]), axis=dx)

    total = te.compute((batch, high, wide, channels), product, name="total")
    return _requantized(total, bias, multiplier, points, bounds)


def linear(
    x: te.Tensor, weights: te.Tensor, bias: te.Tensor, multiplier: te.Tensor, points: te.Tensor, bounds: te.Tensor
) -> te.Tensor:
    """Bytes (…, I) by words (I / 4, O): bytes (…, O)."""
    return _requantized(_product(x, weights), bias, multiplier, points, bounds)


def linear_float(x: te.Tensor, weights: te.Tensor, bias: te.Tensor, multiplier: te.Tensor) -> te.Tensor:
    """The same as float32."""
    total = _biased(_product(x, weights), bias)
    return te.compute(total.shape, lambda *i: total(*i).astype("float32") * multiplier[i[-1]], name="scaled")


def _product(x: te.Tensor, weights: te.Tensor) -> te.Tensor:
    words = _words(x, weights)
    k = te.reduce_axis((0, x.shape[-1] // WORD), name="k")

    def product(*i: Any) -> Any:
        return te.sum(_dots(lambda j: words(*i[:-1], j), lambda j: weights(j, i[-1]), k, str(x.dtype)), axis=k)

    return te.compute((*x.shape[:-1], weights.shape[1]), product, name="total")


def _biased(total: te.Tensor, bias: te.Tensor) -> te.Tensor:
    return te.compute(total.shape, lambda *i: total(*i) + bias[i[-1]], name="biased")


def _requantized(
    total: te.Tensor, bias: te.Tensor, multiplier: te.Tensor, points: te.Tensor, bounds: te.Tensor
) -> te.Tensor:
    biased = _biased(total, bias)
    return te.compute(
        total.shape,
        lambda *i: rounded(biased(*i).astype("float32") * multiplier[i[-1]], points(0), bounds(0), bounds(1)),
        name="requantized",
    )


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
