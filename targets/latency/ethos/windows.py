"""The borders of images that windows need, and pooling, which may be of float32."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np

from blockfront.errors import RunError
from blockfront.integer import LOWEST
from blockfront.targets.compiler.importing.rules import Node, argument
from blockfront.targets.latency.ethos.tflite_file import Grid
from blockfront.targets.latency.ethos.writer import TfliteWriter, Value

IMAGE = (0, 2, 3, 1)


def bordered(
    to: TfliteWriter,
    node: Node,
    source: Value,
    padding: Sequence[int],
    stride: Sequence[int],
    reach: Sequence[int],
    value: float,
) -> tuple[Value, int]:
    """An image with the border that a window of `reach` needs, and the padding that an operator adds to it."""
    before, after = source.shape[2:], to.shape(node)[2:]
    ends = [
        (first, (count - 1) * step + window - extent - first)
        for extent, count, first, step, window in zip(before, after, padding, stride, reach, strict=True)
    ]
    if all(first <= 0 and last <= 0 for first, last in ends):
        return source, to.file.choice("Padding", "VALID")
    same = [-(-extent // step) == count for extent, count, step in zip(before, after, stride, strict=True)]
    if all(same) and all(first == max(0, first + last) // 2 for first, last in ends):
        return source, to.file.choice("Padding", "SAME")
    widths = [(first, max(last, 0)) for first, last in ends]
    return _padded(to, source, widths, value), to.file.choice("Padding", "VALID")


def _padded(to: TfliteWriter, source: Value, widths: Sequence[tuple[int, int]], value: float) -> Value:
    """An image with a border of one int8, or of one float32; `widths` are those of rows and columns."""
    shape = (*source.shape[:2], *(extent + sum(width) for extent, width in zip(source.shape[2:], widths, strict=True)))
    made = to.tensor("padded", shape, source.order, source.affine)
    read: list[Value | int] = [source, to.file.whole_numbers([(0, 0), *widths, (0, 0)])]
    if value == (0 if source.affine is None else source.affine.zero_point):
        to.write("PAD", read, [made], "PadOptions")
        return made
    if source.affine is None:
        read.append(to.number(value))
    else:
        grid = Grid((source.affine.scale,), source.affine.zero_point)
        read.append(to.file.tensor("border", (), "int8", grid, np.array(value, np.int8)))
    to.write("PADV2", read, [made], "PadV2Options")
    return made


def max_pool(to: TfliteWriter, node: Node) -> Value:
    """A border is the least there is."""
    source = to.read(node.args[0], IMAGE)
    kernel, stride, padding = _window(node)
    if _two(argument(node, 4, "dilation", 1)) != [1, 1]:
        raise RunError("dilated pooling has no form in a .tflite file")
    source, border = bordered(to, node, source, padding, stride, kernel, -inf if source.affine is None else LOWEST)
    return _pooled(to, node, "MAX_POOL_2D", source, border, kernel, stride)


def average_pool(to: TfliteWriter, node: Node) -> Value:
    """Of float32. A border that counts is put around the image first: TensorFlow's does not."""
    source = to.ordered(to.floats(node.args[0]), IMAGE)
    kernel, stride, padding = _window(node)
    if argument(node, 6, "divisor_override") is not None:
        raise RunError("an average by another divisor than its window has no form in a .tflite file")
    if any(padding) and argument(node, 5, "count_include_pad", True):
        source, padding = _padded(to, source, [(one, one) for one in padding], 0), [0, 0]
    image, border = bordered(to, node, source, padding, stride, kernel, 0)
    if image is not source:
        raise RunError(f"{node.name} cuts windows off where TensorFlow's does not: no form in a .tflite file")
    return _pooled(to, node, "AVERAGE_POOL_2D", source, border, kernel, stride)


def _pooled(
    to: TfliteWriter, node: Node, code: str, source: Value, border: int, kernel: Sequence[int], stride: Sequence[int]
) -> Value:
    result = to.result(node)
    sizes = {"filterHeight": kernel[0], "filterWidth": kernel[1], "strideH": stride[0], "strideW": stride[1]}
    to.write(code, [source], [result], "Pool2DOptions", padding=border, **sizes)
    return result


def _window(node: Node) -> tuple[list[int], list[int], list[int]]:
    """The kernel, stride and padding of a pool."""
    kernel = _two(argument(node, 1, "kernel_size"))
    return kernel, _two(argument(node, 2, "stride", None) or kernel), _two(argument(node, 3, "padding", 0))


def _two(value: Any) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values * 2 if len(values) == 1 else values
