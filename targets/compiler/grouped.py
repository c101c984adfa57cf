"""Convolutions whose groups' columns fill no whole vectors: each group computes a few columns too many.

14 columns a group are seven vectors of two, or one of sixteen whose last two are thrown away. A single column, all that
a map of attention or of depth has, is no vector at all, and becomes one of two.
"""

from __future__ import annotations

from math import ceil, prod
from typing import Any

import numpy as np
import tvm
from tvm import relax, te, topi

from blockfront.targets.compiler.legalizing import OUT_ELEMENTWISE_FUSIBLE, Legalize, call_te, legalize
from blockfront.targets.hardware.machine import Machine

# What it costs to read and to store a vector of the columns that are kept.
_KEEP_CYCLES = 2


def grouped_legalization(machine: Machine) -> Legalize:
    """How to legalise a convolution of several groups or of one column: padded where that promises less time."""

    def rule(builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
        groups = int(call.attrs.groups)
        *window, outputs = (int(extent) for extent in call.args[1].ty.shape)
        columns = outputs // groups
        used = machine.of_halves() if str(call.args[1].ty.dtype) == "float16" else machine
        padded = 2 if outputs == 1 else padded_columns(columns, prod(window), used)
        if padded == columns or not isinstance(call.args[1], tvm.ir.GenericConst):
            return legalize(builder, call)
        weights = relax.const(tvm.runtime.tensor(_padded_weights(call.args[1].value.numpy(), groups, padded)))
        shape = [int(extent) for extent in builder.normalize(call).ty.shape]
        attributes = [[int(value) for value in values] for values in (call.attrs.strides, call.attrs.dilation)]
        pads = [int(pad) for pad in call.attrs.padding]
        arguments = (call.args[0], weights, *attributes, pads, shape)
        return call_te(builder, _convolution, *arguments, name="grouped_conv2d", attributes=OUT_ELEMENTWISE_FUSIBLE)

    return rule


def padded_columns(columns: int, steps: int, machine: Machine) -> int:
    """How many columns a group of `columns` should compute, each a sum of `steps` products."""

    def cycles(padded: int, lanes: int) -> float:
        return steps * padded / lanes / machine.multiply_adds_a_cycle(lanes)

    whole = machine.widest_vector(columns)
    best, padded = min(
        (cycles(padded, lanes), padded)
        for lanes in machine.vector_widths()
        for padded in [ceil(columns / lanes) * lanes]
    )
    return padded if best + _KEEP_CYCLES * columns / whole < cycles(columns, whole) else columns


def _padded_weights(weights: np.ndarray, groups: int, padded: int) -> np.ndarray:
    """(height, width, in, groups · columns) as (groups, height, width, in, padded)."""
    by_group = weights.reshape(*weights.shape[:3], groups, -1)
    wide = np.pad(by_group, [(0, 0)] * 4 + [(0, padded - by_group.shape[-1])])
    return np.ascontiguousarray(np.moveaxis(wide, 3, 0))


def _convolution(
    x: te.Tensor, weights: te.Tensor, strides: list[int], dilation: list[int], pads: list[int], shape: list[int]
) -> te.Tensor:
    """An image (1, H, W, C) by weights (groups, height, width, in, padded), as an image of `shape`."""
    groups, high, wide, inputs, padded = (int(extent) for extent in weights.shape)
    columns = shape[3] // groups
    bordered = topi.nn.pad(x, [0, *pads[:2], 0], [0, *pads[2:], 0], name="border") if any(pads) else x
    dy, dx, k = (te.reduce_axis((0, extent), name=name) for extent, name in ((high, "dy"), (wide, "dx"), (inputs, "k")))

    def product(n: Any, g: Any, h: Any, w: Any, c: Any) -> Any:
        y, x = h * strides[0] + dy * dilation[0], w * strides[1] + dx * dilation[1]
        return te.sum(bordered[n, y, x, g * inputs + k] * weights[g, dy, dx, k, c], axis=[dy, dx, k])

    padded_groups = te.compute((shape[0], groups, *shape[1:3], padded), product, name="padded_groups")
    return te.compute(shape, lambda n, h, w, c: padded_groups[n, c // columns, h, w, c % columns], name="groups")
