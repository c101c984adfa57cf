"""Multiply-accumulates of a network in ncnn's format, from its layers and the sizes of the images between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from blockfront.validation.ncnn_layers import NcnnLayer, layers_of

Size = tuple[int, int]
"""Width and height; a sequence of tokens is as wide and high as the image it was."""
_SAME = (-233, -234)


def count_ncnn_macs(param: str, size: Size) -> int:
    """Multiply-accumulates of convolutions and matrix products in ncnn's text `param` for an image of `size`."""
    sizes: dict[str, Size] = {}
    total = 0
    for layer in layers_of(param):
        # Operands differ in size where one is broadcast.
        before = max((sizes[name] for name in layer.inputs), key=math.prod, default=size)
        after = _SIZES[layer.kind](layer, before) if layer.kind in _SIZES else before
        total += _macs(layer, before, after)
        sizes |= dict.fromkeys(layer.outputs, after)
    return total


def _macs(layer: NcnnLayer, before: Size, after: Size) -> int:
    if layer.kind in ("Convolution", "ConvolutionDepthWise"):
        return after[0] * after[1] * layer.number(6)
    if layer.kind == "DeconvolutionDepthWise":
        return before[0] * before[1] * layer.number(6)
    if layer.kind == "InnerProduct":
        return layer.number(2)
    tokens = before[0] * before[1]
    if layer.kind == "Gemm":
        return tokens * layer.number(8) * layer.number(9)
    if layer.kind == "MultiHeadAttention":
        return 4 * tokens * layer.number(2) + 2 * tokens**2 * layer.number(0)
    return 0


def _convolved(layer: NcnnLayer, before: Size) -> Size:
    kernel, dilation, stride = layer.pair(1), layer.pair(2, 1), layer.pair(3, 1)
    if layer.number(4) in _SAME:
        return _strided(before, stride)
    left, top = layer.pair(4)
    ends = layer.number(15, left), layer.number(16, top)
    extents = zip(before, (left, top), ends, dilation, kernel, stride, strict=True)
    return _size((n + begin + end - d * (k - 1) - 1) // s + 1 for n, begin, end, d, k, s in extents)


def _pooled(layer: NcnnLayer, before: Size) -> Size:
    kernel, stride, mode = layer.pair(1), layer.pair(2, 1), layer.number(5)
    if layer.number(4):
        return 1, 1
    if mode > 1:
        return _strided(before, stride)
    starts = layer.pair(3)
    ends = layer.number(14, starts[0]), layer.number(15, starts[1])
    spans = [n + begin + end - k for n, begin, end, k in zip(before, starts, ends, kernel, strict=True)]
    # Mode 0 pads until the last window fits.
    return _size((span + (s - 1 if mode == 0 else 0)) // s + 1 for span, s in zip(spans, stride, strict=True))


def _resized(layer: NcnnLayer, before: Size) -> Size:
    if layer.number(4):
        return layer.number(4), layer.number(3)
    return int(before[0] * float(layer.parameters.get(2, 1))), int(before[1] * float(layer.parameters.get(1, 1)))


def _enlarged(layer: NcnnLayer, before: Size) -> Size:
    kernel, stride = layer.pair(1), layer.pair(3, 1)
    pads = [pad + layer.number(end, pad) for pad, end in zip(layer.pair(4), (15, 16), strict=True)]
    return _size((n - 1) * s + k - pad for n, s, k, pad in zip(before, stride, kernel, pads, strict=True))


def _padded(layer: NcnnLayer, before: Size) -> Size:
    return before[0] + layer.number(2) + layer.number(3), before[1] + layer.number(0) + layer.number(1)


def _strided(before: Size, stride: Size) -> Size:
    return _size(-(-n // s) for n, s in zip(before, stride, strict=True))


def _size(extents: Iterable[int]) -> Size:
    width, height = extents
    return width, height


_SIZES: dict[str, Callable[[NcnnLayer, Size], Size]] = {
    **dict.fromkeys(("Convolution", "ConvolutionDepthWise"), _convolved),
    "DeconvolutionDepthWise": _enlarged,
    "Pooling": _pooled,
    "Interp": _resized,
    "Padding": _padded,
    **dict.fromkeys(("Reduction", "Flatten", "InnerProduct", "MemoryData"), lambda _, before: (1, 1)),
}
