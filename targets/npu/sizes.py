"""The sizes of an operator that lists of operators put limits on, by its kind."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch

from blockfront.plurals import counted
from blockfront.targets.compiler.importing.rules import argument
from blockfront.targets.latency.accelerators.operators import operator_name

Described = tuple[str, str, str, dict[str, int]]
"""Kind, variant, name and sizes, as a `Use` has them."""


def describe(node: Any, kind: str) -> Described:
    """What a call is, of a kind that may turn out to be another by its arguments."""
    return _READERS[kind](node, kind) if kind in _READERS else (kind, "", kind, {})


def shape_of(node: Any) -> tuple[int, ...]:
    """Of the tensor that a call gives."""
    return tuple(node.meta["val"].shape)


def _both(values: Any) -> tuple[int, int]:
    """Of the vertical direction and the horizontal one, from a number or a list."""
    first, *rest = values if isinstance(values, list | tuple) else [values]
    return int(first), int(rest[0] if rest else first)


def _plane(prefix: str, values: Any) -> dict[str, int]:
    height, width = _both(values)
    return {f"{prefix}_h": height, f"{prefix}_w": width}


def _convolution_use(node: Any, kind: str) -> Described:
    inputs, outputs, window = shape_of(node.args[0]), shape_of(node), shape_of(node.args[1])[2:]
    stride, padding = argument(node, 3, "stride", 1), argument(node, 4, "padding", 0)
    dilation, groups = argument(node, 5, "dilation", 1), int(argument(node, 6, "groups", 1))
    kernel, spread = _both(window), _both(dilation)
    if isinstance(padding, str):
        padding = [
            step * (extent - 1) // 2 if padding == "same" else 0 for step, extent in zip(spread, kernel, strict=True)
        ]
    sizes = {
        **_plane("kernel", window),
        **_plane("stride", stride),
        **_plane("padding", padding),
        **_plane("dilation", dilation),
        **_plane("dilated_kernel", [step * (extent - 1) + 1 for step, extent in zip(spread, kernel, strict=True)]),
        "dilation_difference": abs(spread[0] - spread[1]),
        "padded_stride": 1 if spread == (1, 1) and not any(_both(padding)) else max(_both(stride)),
        "in_channels": inputs[1],
        "out_channels": outputs[1],
        "groups": groups,
        "height": inputs[2],
        "width": inputs[-1],
    }
    if groups > 1:
        kind = f"{'depthwise' if groups == inputs[1] else 'grouped'}_{kind}"
    strided = f"/{_both(stride)[0]}" if _both(stride) != (1, 1) else ""
    dilated = f", dilation {spread[0]}" if spread != (1, 1) else ""
    channels = f"{inputs[1]} to {counted(outputs[1], 'channel')}"
    return kind, "", f"{kind} {kernel[0]}×{kernel[1]}{strided}{dilated}, {channels}", sizes


def _transposed_use(node: Any, kind: str) -> Described:
    kernel, stride = _both(shape_of(node.args[1])[2:]), _both(argument(node, 3, "stride", 1))
    sizes = _plane("kernel", kernel) | _plane("stride", stride)
    sizes["groups"] = int(argument(node, 6, "groups", 1))
    return kind, "", f"{kind} {kernel[0]}×{kernel[1]}/{stride[0]}", sizes


def _linear_use(node: Any, kind: str) -> Described:
    *rows, inner = shape_of(node.args[0])
    sizes = {"rows": prod(rows), "inner": inner, "columns": shape_of(node)[-1]}
    many = f", {counted(sizes['rows'], 'row')}" if sizes["rows"] > 1 else ""
    return kind, "", f"{kind} {inner} to {sizes['columns']}{many}", sizes


def _product_use(node: Any, kind: str) -> Described:
    """A product by a matrix that no input changes is a linear layer."""
    first, second = node.args[-2:]
    if second.op == "get_attr":
        kind = "linear"
    *outer, rows, inner = (1, *shape_of(first))
    sizes = {"rows": rows * (prod(outer) if kind == "linear" else 1), "inner": inner, "columns": shape_of(second)[-1]}
    return kind, "", f"{kind} {sizes['rows']}×{inner}×{sizes['columns']}", sizes


def _attention_use(node: Any, kind: str) -> Described:
    queries, keys, values = map(shape_of, node.args[:3])
    sizes = {"heads": prod(queries[:-2]), "queries": queries[-2], "keys": keys[-2], "inner": queries[-1]}
    sizes["columns"] = values[-1]
    return (
        kind,
        "",
        f"{kind}, {counted(sizes['heads'], 'head')} of {sizes['inner']}, {counted(sizes['keys'], 'token')}",
        sizes,
    )


def _pooling_use(node: Any, kind: str) -> Described:
    *_, channels, height, width = shape_of(node.args[0])
    plane = {"channels": channels, "height": height, "width": width}
    if kind == "adaptive_avg_pool2d":
        if shape_of(node)[-2:] == (1, 1):
            return "global_avg_pool2d", "", f"global_avg_pool2d of {height}×{width}", plane
        return kind, "", f"{kind} {height}×{width} to {_text(shape_of(node)[-2:])}", plane
    kernel = _both(argument(node, 1, "kernel_size"))
    stride = _both(argument(node, 2, "stride") or kernel)
    sizes = plane | _plane("kernel", kernel) | _plane("stride", stride)
    sizes |= _plane("padding", argument(node, 3, "padding", 0))
    ceil = argument(node, 5 if "max" in kind else 4, "ceil_mode", False)
    sizes["ceil_mode"] = int(bool(ceil))
    sizes["padded_kernel"], sizes["padded_stride"] = (max(kernel), max(stride)) if sizes["padding_h"] else (1, 1)
    return kind, "", f"{kind} {kernel[0]}×{kernel[1]}/{stride[0]}{' rounded up' if ceil else ''}", sizes


def _reduction_use(node: Any, kind: str) -> Described:
    """`reduced_channels` is 0 where channels stay apart."""
    shape = shape_of(node.args[0])
    given = argument(node, 1, "dim")
    dims = sorted(
        one % len(shape)
        for one in (range(len(shape)) if given is None else given if isinstance(given, list) else [given])
    )
    channel = 1 if len(shape) == 4 else len(shape) - 1
    sizes = {
        "over_batch": int(0 in dims and shape[0] > 1),
        "reduced_channels": shape[channel] if channel in dims else 0,
        "longest": max(shape[dim] for dim in dims),
    }
    return kind, "", f"{kind} over {'×'.join(str(shape[dim]) for dim in dims)} of {_text(shape)}", sizes


def _norm_use(node: Any, kind: str) -> Described:
    """`pixels`: what is normalised apart, in the two dimensions of an image; tokens are one line of it."""
    shape = shape_of(node.args[0])
    normalised = list(node.args[1]) if isinstance(node.args[1], list | tuple) else [shape[1]]
    sizes = {"channels": int(normalised[-1]), "normalised_dims": len(normalised)}
    sizes["lines"] = shape[1] if len(shape) == 4 else 1
    return kind, "", f"{kind} over {normalised[-1]} of {_text(shape)}", sizes


def _permute_use(node: Any, kind: str) -> Described:
    """`moved`: the longest dimension; where more than three are longer than 1, the largest product of all but two."""
    shape = shape_of(node.args[0])
    order = list(range(len(shape)))
    if operator_name(node) == "permute":
        order = [one % len(shape) for one in node.args[1]]
    else:
        first, second = node.args[1:3] if len(node.args) > 2 else (0, 1)
        first, second = first % len(shape), second % len(shape)
        order[first], order[second] = order[second], order[first]
    sizes = dict(zip(("n", "c", "h", "w"), shape, strict=True)) if len(shape) == 4 else {}
    long = sorted((extent for extent in shape if extent > 1), reverse=True)
    sizes["moved"] = max(shape) if len(long) <= 3 else prod(long[: len(shape) - 2])
    variant = "".join(map(str, order))
    return kind, variant, f"{kind} {variant} of {_text(shape)}", sizes


def _softmax_use(node: Any, kind: str) -> Described:
    shape = shape_of(node)
    dim = node.args[1] % len(shape)
    sizes = {"height_width": prod(shape[1:-1])}
    return kind, str(dim - len(shape)), f"{kind} over {shape[dim]} of {_text(shape)}", sizes


def _slice_use(node: Any, kind: str) -> Described:
    step = argument(node, 4, "step", 1) if operator_name(node) == "slice" else 1
    return kind, "", f"{kind} of {_text(shape_of(node.args[0]))}", {"step": int(step)}


def _power_use(node: Any, kind: str) -> Described:
    exponent = node.args[1]
    return kind, "" if isinstance(exponent, torch.fx.Node) else f"{exponent:g}", f"{kind} {exponent}", {}


def _resize_use(node: Any, kind: str) -> Described:
    """`scale` is 0 where the image does not grow by one whole number in both directions."""
    before, after = shape_of(node.args[0])[-2:], shape_of(node)[-2:]
    factors = {new / old for old, new in zip(before, after, strict=True)}
    factor = factors.pop() if len(factors) == 1 else 0.0
    sizes = {"scale": int(factor) if factor == int(factor) else 0, "height": before[0], "width": before[1]}
    return kind, "", f"{kind} {_text(before)} to {_text(after)}", sizes


def _clipping_use(node: Any, kind: str) -> Described:
    """Between 0 and 6 it is relu6, whatever torch calls it."""
    defaults = (-1, 1) if kind == "hardtanh" else (None, None)
    bounds = tuple(argument(node, place + 1, ("min", "max")[place], defaults[place]) for place in (0, 1))
    return ("relu6" if bounds == (0, 6) else kind), "", "relu6" if bounds == (0, 6) else f"{kind} {bounds}", {}


def _expand_use(node: Any, kind: str) -> Described:
    shape = shape_of(node)
    height, width = (1, 1, *shape)[-2:]
    return kind, "", f"{kind} to {_text(shape)}", {"height": height, "width": width}


def _reshape_use(node: Any, kind: str) -> Described:
    return kind, "", f"{kind} {_text(shape_of(node.args[0]))} to {_text(shape_of(node))}", {}


def _broadcast_use(node: Any, kind: str) -> Described:
    """`widened`: whether an operand is repeated along a dimension, other than a number."""
    operands = [shape_of(one) for one in node.args[:2] if isinstance(one, torch.fx.Node)]
    shape = shape_of(node)
    inner = [one for one in operands if prod(one) > 1 and one != shape]
    per_channel = all(len(one) == 4 and one[2:] == (1, 1) for one in inner)
    sizes = {"widened": int(bool(inner)), "per_channel": int(per_channel)}
    return kind, "", kind, sizes


def _text(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


_READERS: dict[str, Callable[[Any, str], Described]] = {
    **dict.fromkeys(("conv1d", "conv2d"), _convolution_use),
    "conv_transpose2d": _transposed_use,
    "linear": _linear_use,
    "matmul": _product_use,
    "scaled_dot_product_attention": _attention_use,
    **dict.fromkeys(
        ("avg_pool2d", "max_pool2d", "max_pool2d_with_indices", "adaptive_avg_pool2d"),
        _pooling_use,
    ),
    **dict.fromkeys(("mean", "sum", "amax"), _reduction_use),
    **dict.fromkeys(("layer_norm", "group_norm", "rms_norm"), _norm_use),
    "permute": _permute_use,
    "softmax": _softmax_use,
    "slice": _slice_use,
    "pow": _power_use,
    **dict.fromkeys(("resize_nearest", "resize_bilinear"), _resize_use),
    **dict.fromkeys(("hardtanh", "clamp"), _clipping_use),
    "expand": _expand_use,
    "reshape": _reshape_use,
    **dict.fromkeys(("add", "sub", "mul", "div", "maximum", "minimum"), _broadcast_use),
}
