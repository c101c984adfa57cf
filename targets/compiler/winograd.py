"""Dense 3 × 3 convolutions by Winograd's minimal filtering, F(m × m, 3 × 3), as three kernels.

Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A for every tile of m × m outputs: Lavin & Gray, "Fast Algorithms for Convolutional Neural
Networks" (2015), whose matrices these are. The middle product, summed over the channels, is (m + 2)² matrix products
of tiles × channels with weights that are transformed when compiling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

import numpy as np
import tvm
from tvm import relax, te, tirx, topi

from blockfront.targets.compiler.legalizing import OUT_ELEMENTWISE_FUSIBLE, call_te, legalize
from blockfront.targets.hardware.target import Target

_Values = Sequence[Any]
_BYTES = {"float32": 4, "float16": 2}
# Relax's fusion folds nothing into the kernels before the last.
_OPAQUE = {"op_pattern": 8}
# Vector instructions for each tile and channel of the transforms below: arithmetic, loads and stores.
_TRANSFORM_COST = {2: (32 + 32, 24 + 20), 4: (144 + 72, 100 + 52)}
# The share of the peak that products reach; what the way of the tiles between the kernels costs, a line of each plane
# at a time: cycles a vector of a core that loads one a cycle, and copies of their bytes where no cache holds them.
# Chosen so that 32 convolutions of 16 to 512 channels on 2 to 112 pixels, predicted for a Cortex-A72 by emulation, get
# the fastest of the three ways; 26 timed on a Zen 5 lose 1.4 % by it on average.
_REACHED, _MOVE_CYCLES, _MOVE_COPIES = 0.8, 14, 5

# G, with the interpolation points 0, ±1 (and ±2) and infinity.
_WEIGHTS = {
    2: np.array([[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]]),
    4: np.array(
        [
            [1 / 4, 0, 0],
            [-1 / 6, -1 / 6, -1 / 6],
            [-1 / 6, 1 / 6, -1 / 6],
            [1 / 24, 1 / 12, 1 / 6],
            [1 / 24, -1 / 12, 1 / 6],
            [0, 0, 1],
        ]
    ),
}


def _input_2(d: _Values) -> list[Any]:
    return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[3] - d[1]]


def _output_2(m: _Values) -> list[Any]:
    return [m[0] + m[1] + m[2], m[1] - m[2] + m[3]]


def _input_4(d: _Values) -> list[Any]:
    even, odd = d[2] * -4.0 + d[4], d[1] * -4.0 + d[3]
    near, far = d[4] - d[2], d[3] - d[1]
    return [
        d[0] * 4.0 + (d[2] * -5.0 + d[4]),
        even + odd,
        even - odd,
        far * 2.0 + near,
        far * -2.0 + near,
        d[1] * 4.0 + (d[3] * -5.0 + d[5]),
    ]


def _output_4(m: _Values) -> list[Any]:
    a, b, c, d = m[1] + m[2], m[1] - m[2], m[3] + m[4], m[3] - m[4]
    return [m[0] + a + c, d * 2.0 + b, c * 4.0 + a, d * 8.0 + (b + m[5])]


_INPUT: dict[int, Callable[[_Values], list[Any]]] = {2: _input_2, 4: _input_4}
_OUTPUT: dict[int, Callable[[_Values], list[Any]]] = {2: _output_2, 4: _output_4}


def _select(index: Any, values: _Values) -> Any:
    """values[index]; the schedules unroll `index`, which leaves the one value."""
    chosen = values[-1]
    for position in reversed(range(len(values) - 1)):
        chosen = tirx.Select(index == position, values[position], chosen)
    return chosen


def transformed_weights(weights: np.ndarray, m: int) -> np.ndarray:
    """G g Gᵀ of weights (3, 3, in, out), as ((m + 2)², in, out) of their type."""
    matrix = _WEIGHTS[m]
    transformed = np.einsum("ak,bl,klio->abio", matrix, matrix, weights.astype(np.float64))
    return transformed.reshape(-1, *weights.shape[2:]).astype(weights.dtype)


def _transformed_input(x: te.Tensor, m: int, high: int, wide: int, pads: Sequence[int]) -> te.Tensor:
    """Bᵀ d B of an image (1, H, W, C) for high × wide tiles: ((m + 2)², high · wide, C)."""
    size, channels = m + 2, x.shape[3]
    below, right = high * m + 2 - int(x.shape[1]) - pads[0], wide * m + 2 - int(x.shape[2]) - pads[1]
    bordered = topi.nn.pad(x, [0, pads[0], pads[1], 0], [0, max(below, 0), max(right, 0), 0], name="winograd_border")
    columns = te.compute(
        (high, wide, size, size, channels),
        lambda h, w, i, j, c: _select(i, _INPUT[m]([bordered[0, h * m + k, w * m + j, c] for k in range(size)])),
        name="winograd_columns",
    )
    return te.compute(
        (size * size, high * wide, channels),
        lambda e, t, c: _select(
            e % size, _INPUT[m]([columns[t // wide, t % wide, e // size, k, c] for k in range(size)])
        ),
        name="winograd_input",
    )


def _product(tiles: te.Tensor, weights: te.Tensor) -> te.Tensor:
    """Sum over the channels for each of the (m + 2)² elements: ((m + 2)², tiles, out)."""
    channel = te.reduce_axis((0, tiles.shape[2]), name="channel")
    return te.compute(
        (*tiles.shape[:2], weights.shape[2]),
        lambda e, t, c: te.sum(tiles[e, t, channel] * weights[e, channel, c], axis=channel),
        name="winograd_product",
    )


def _transformed_output(product: te.Tensor, m: int, shape: Sequence[int]) -> te.Tensor:
    """Aᵀ M A, as an image of `shape` (1, H, W, C)."""
    size, wide = m + 2, ceil(int(shape[2]) / m)
    rows = te.compute(
        (ceil(int(shape[1]) / m), wide, m, size, shape[3]),
        lambda h, w, i, j, c: _select(i, _OUTPUT[m]([product[k * size + j, h * wide + w, c] for k in range(size)])),
        name="winograd_rows",
    )
    return te.compute(
        shape,
        lambda n, h, w, c: _select(w % m, _OUTPUT[m]([rows[h // m, w // m, h % m, k, c] for k in range(size)])),
        name="winograd_output",
    )


def winograd_legalization(target: Target, threads: int) -> Callable[[relax.BlockBuilder, relax.Call], relax.Expr]:
    """How to legalise a convolution: by the m that promises least time on `target`, or directly."""

    def rule(builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
        m = best_tile(call, target, threads)
        if m is None:
            return legalize(builder, call)
        image, weights = call.args
        shape = [int(extent) for extent in call.ty.shape]
        high, wide = ceil(shape[1] / m), ceil(shape[2] / m)
        pads = [int(pad) for pad in call.attrs.padding[:2]]

        def emit(function: Any, *args: Any, name: str, pattern: dict[str, int]) -> relax.Expr:
            return builder.emit(call_te(builder, function, *args, name=name, attributes=pattern))

        constant = relax.const(transformed_weights(weights.value.numpy(), m))
        tiles = emit(_transformed_input, image, m, high, wide, pads, name="winograd_input", pattern=_OPAQUE)
        product = emit(_product, tiles, constant, name="winograd_product", pattern=_OPAQUE)
        attributes = OUT_ELEMENTWISE_FUSIBLE
        return call_te(builder, _transformed_output, product, m, shape, name="winograd_output", attributes=attributes)

    return rule


def best_tile(call: relax.Call, target: Target, threads: int) -> int | None:
    """m, or None for the direct convolution."""
    attrs = call.attrs
    constant = isinstance(call.args[1], tvm.ir.GenericConst)
    # The transforms are of one image.
    plain = all(int(value) == 1 for value in (*attrs.strides, *attrs.dilation, attrs.groups, call.ty.shape[0]))
    if not (constant and plain and [int(extent) for extent in call.args[1].ty.shape][:2] == [3, 3]):
        return None
    high, wide, outputs = (int(call.ty.shape[axis]) for axis in (1, 2, 3))
    image = call.args[0].ty
    return fastest_tile(high, wide, int(image.shape[3]), outputs, target, threads, _BYTES[str(image.dtype)])


def fastest_tile(
    high: int, wide: int, inputs: int, outputs: int, target: Target, threads: int, bytes_each: int = 4
) -> int | None:
    """m for a 3 × 3 convolution from `inputs` to `outputs` channels of high × wide pixels; None for the direct one.

    Of values of two bytes m is 2 at most: the transforms of F(4 × 4) round more, and float16 has few digits.
    """
    seconds: dict[int | None, float] = {
        m: _seconds(m, ceil(high / m) * ceil(wide / m), inputs, outputs, target, threads, bytes_each)
        for m in _WEIGHTS
        if m == 2 or bytes_each == 4
    }
    direct = 9 * high * wide * inputs * outputs, 9 * inputs * outputs
    seconds[None] = _product_seconds(*direct, target, threads, bytes_each)
    return min(seconds, key=lambda m: seconds[m])


def _seconds(m: int, tiles: int, inputs: int, outputs: int, target: Target, threads: int, bytes_each: int) -> float:
    """The product, and its tiles' transforms and way through the caches, which the cores share."""
    elements = (m + 2) ** 2
    of_input, of_output = _TRANSFORM_COST[m]
    work = tiles * (elements * inputs * outputs + of_input * inputs + of_output * outputs)
    between = bytes_each * tiles * elements * (inputs + outputs)
    if between <= max(target.l2_bytes, target.l3_bytes):
        vectors = 8 * between / target.simd_bits
        moving = _MOVE_CYCLES * vectors / target.loads_per_cycle / (1e9 * target.clock_ghz)
    else:
        moving = _MOVE_COPIES * between / (1e9 * target.bandwidth_gbs)
    return _product_seconds(work, elements * inputs * outputs, target, threads, bytes_each) + moving / threads


def _product_seconds(work: int, weights: int, target: Target, threads: int, bytes_each: int) -> float:
    """Multiply-adds, and weights from memory, which the cores do not get sooner than one does."""
    peak = _REACHED * target.peak_macs(threads) * 4 / bytes_each
    return work / peak + bytes_each * weights / (1e9 * target.traffic_gbs)
