"""Sums of products in quantised networks: what layers of `blockfront.integer` compute, on bytes stored channels-last.

Whatever differs between layers of the same shape is an argument, so that they share one kernel: biases with the input's
zero point in them, multipliers, zero points, bounds. A value is a byte with a sign or without one (`Machine.byte`); the
two differ by 128, in the zero points as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tvm
from tvm import te, tirx

from blockfront.targets.compiler.byte_operations import dot, half, rounded, word
from blockfront.targets.hardware.machine import WORD


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
