"""A network's operators as lists of operators speak of them: what each is, and the sizes that limits are put on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn

from blockfront.signature import Signature
from blockfront.targets.compiler.exporting import export_module
from blockfront.targets.latency.accelerators.operators import operator_name
from blockfront.targets.latency.accelerators.workload import macs_of_call

_NOTHING = frozenset(
    {
        *("alias", "clone", "contiguous", "detach", "dropout", "feature_dropout", "getitem", "identity", "lift_fresh"),
        *("to", "_to_copy"),
    }
)
"""What leaves no operator in a converted network: a getitem names one of an operator's outputs."""
_SAME = {
    **dict.fromkeys(
        ("view", "_unsafe_view", "view_as", "flatten", "unflatten", "squeeze", "unsqueeze", "as_strided"), "reshape"
    ),
    **dict.fromkeys(("transpose", "t"), "permute"),
    **dict.fromkeys(("mm", "bmm", "addmm", "baddbmm"), "matmul"),
    **dict.fromkeys(("chunk", "split_with_sizes", "tensor_split", "unbind"), "split"),
    **dict.fromkeys(("narrow", "select"), "slice"),
    **dict.fromkeys(("concat", "concatenate"), "cat"),
    **dict.fromkeys(("index_select", "index"), "gather"),
    **dict.fromkeys(("clamp_min", "clamp_max"), "clamp"),
    **dict.fromkeys(("expand_as", "repeat", "broadcast_to"), "expand"),
    "_softmax": "softmax",
    **dict.fromkeys(("upsample_nearest2d", "_upsample_nearest_exact2d"), "resize_nearest"),
    **dict.fromkeys(("upsample_bilinear2d", "_upsample_bilinear2d_aa"), "resize_bilinear"),
    **dict.fromkeys(("native_batch_norm", "_native_batch_norm_legit_no_training"), "batch_norm"),
    "native_layer_norm": "layer_norm",
    "native_group_norm": "group_norm",
    "constant_pad_nd": "pad",
    "rsub": "sub",
}
"""Torch's names to the one that lists know an operator by."""


@dataclass(frozen=True)
class Use:
    """One operator of a network.

    `kind` is torch's name of it, one for all names of the same; conv2d is told apart as conv2d, depthwise_conv2d and
    grouped_conv2d, pooling to one pixel as global_avg_pool2d and global_max_pool2d. `variant` tells apart further: the
    order of a permutation ("0231"), the dimension of a softmax counted from the end ("-1"), the exponent of a power.
    `sizes`, by the names that limits use: `rank` and `outer` (the product of all dimensions before the last three) are
    the largest of its tensors. `reads`: the uses that it takes its activations from, by their places.
    """

    kind: str
    variant: str
    name: str
    sizes: Mapping[str, int]
    macs: int
    reads: tuple[int, ...]


def uses_of(module: nn.Module, signature: Signature) -> list[Use]:
    """The operators of one inference, in the order in which torch runs them; batch norms are folded.

    Raises RunError for a module that cannot be exported.
    """
    uses: list[Use] = []
    made_by: dict[Any, tuple[int, ...]] = {}
    for node in export_module(module, signature).graph.nodes:
        if node.op != "call_function":
            made_by[node] = ()
            continue
        reads = tuple(sorted({use for source in node.all_input_nodes for use in made_by[source]}))
        if _is_nothing(node):
            made_by[node] = reads
            continue
        made_by[node] = (len(uses),)
        kind, variant, name, sizes = _described_use(node)
        uses.append(Use(kind, variant, name, _tensors(node) | sizes, macs_of_call(node), reads))
    return uses


def _is_nothing(node: Any) -> bool:
    name = operator_name(node)
    same_shape = name in ("expand", "expand_as", "reshape", "view", "flatten") and _shape(node) == _shape(node.args[0])
    return name in _NOTHING or same_shape


def _shape(node: Any) -> tuple[int, ...]:
    return tuple(node.meta["val"].shape)


def _shapes(node: Any) -> Iterator[tuple[int, ...]]:
    value = node.meta["val"]
    for one in [value] if isinstance(value, torch.Tensor) else value:
        yield tuple(one.shape)


def _tensors(node: Any) -> dict[str, int]:
    activations = [source for source in node.all_input_nodes if source.op != "get_attr"]
    shapes = [shape for one in [node, *activations] for shape in _shapes(one)]
    return {
        "rank": max(len(shape) for shape in shapes),
        "outer": max(prod(shape[:-3]) for shape in shapes),
    }


def _described_use(node: Any) -> tuple[str, str, str, dict[str, int]]:
    """Kind, variant, name and its own sizes."""
    kind = operator_name(node)
    kind = _SAME.get(kind, kind)
    if kind in _READERS:
        return _READERS[kind](node, kind)
    return kind, "", kind, {}


def _argument(node: Any, position: int, name: str, default: Any = None) -> Any:
    return node.args[position] if len(node.args) > position else node.kwargs.get(name, default)


def _both(values: Any) -> tuple[int, int]:
    """Of the vertical direction and the horizontal one, from a number or a list."""
    first, *rest = values if isinstance(values, list | tuple) else [values]
    return int(first), int(rest[0] if rest else first)


def _plane(prefix: str, values: Any) -> dict[str, int]:
    height, width = _both(values)
    return {f"{prefix}_h": height, f"{prefix}_w": width}


def _convolution_use(node: Any, kind: str) -> tuple[str, str, str, dict[str, int]]:
    inputs, outputs, window = _shape(node.args[0]), _shape(node), _shape(node.args[1])[2:]
    stride, padding = _argument(node, 3, "stride", 1), _argument(node, 4, "padding", 0)
    dilation, groups = _argument(node, 5, "dilation", 1), int(_argument(node, 6, "groups", 1))
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
    channels = f"{inputs[1]} to {outputs[1]} channels"
    return kind, "", f"{kind} {kernel[0]}×{kernel[1]}{strided}{dilated}, {channels}", sizes


def _transposed_use(node: Any, kind: str) -> tuple[str, str, str, dict[str, int]]:
    kernel, stride = _both(_shape(node.args[1])[2:]), _both(_argument(node, 3, "stride", 1))
    sizes = _plane("kernel", kernel) | _plane("stride", stride)
    sizes["groups"] = int(_argument(node, 6, "groups", 1))
    return kind, "", f"{kind} {kernel[0]}×{kernel[1]}/{stride[0]}", sizes


def _linear_use(node: Any, kind: str) -> tuple[str, str, str, dict[str, int]]:
    *rows, inner = _shape(node.args[0])
    sizes = {"rows": prod(rows), "inner": inner, "columns": _shape(node)[-1]}
    many = f", {sizes['rows']} rows" if sizes["rows"] > 1 else ""
    return kind, "", f"{kind} {inner} to {sizes['columns']}{many}", sizes


def _product_use(node: Any, kind: str) -> tuple[str, str, str, dict[str, int]]:
    """A product by a matrix that no input changes is a linear layer."""
    first, second = node.args[-2:]
    if second.op == "get_attr":
        kind = "linear"
    *outer, rows, inner = (1, *_shape(first))
    sizes = {"rows": rows * (prod(outer) if kind == "linear" else 1), "inner": inner, "columns": _shape(second)[-1]}
    return kind, "", f"{kind} {sizes['rows']}×{inner}×{sizes['columns']}", sizes


def _attention_use(node: Any, kind: str) -> tuple[str, str, str, dict[str, int]]:
    queries, keys, values = map(_shape, node.args[:3])
    sizes = {"heads": prod(queries[:-2]), "queries": queries[-2], "keys": keys[-2], "inner": queries[-1]}
    sizes["columns"] = values[-1]
    return kind, "", f"{kind}, {sizes['heads']} heads of {sizes['inner']}, {sizes['keys']} tokens", sizes


def _pooling_use(node: Any, kind: str) -> tuple[str, str, str, dict[str, int]]:
    *_, channels, height, width = _shape(node.args[0])
    plane = {"channels": channels, "height": height, "width": width}
    if kind.startswith("adaptive"):
        average = "avg" in kind
        if _shape(node)[-2:] == (1, 1):
            kind = "global_avg_pool2d" if average else "global_max_pool2d"
            return kind, "", f"{kind} of {height}×{width}", plane
        return kind, "", f"{kind} {height}×{width} to {_shape(node)[-2]}×{_shape(node)[-1]}", plane
    kernel = _both(_argument(node, 1, "kernel_size"))
    stride = _both(_argument(node, 2, "stride") or kernel)
    sizes = plane | _plane("kernel", kernel) | _plane("stride", stride)
    sizes |= _plane("padding", _argument(node, 3, "padding", 0))
    ceil = _argument(node, 5 if "max" in kind else 4, "ceil_mode", False)
    sizes["ceil_mode"] = int(bool(ceil))
    sizes["padded_kernel"], sizes["padded_stride"] = (max(kernel), max(stride)) if sizes["padding_h"] else (1, 1)
    return kind, "", f"{kind} {kernel[0]}×{kernel[1]}/{stride[0]}{' rounded up' if ceil else ''}", sizes


def _reduction_use(node: Any, kind: str) -> tuple[str, str, str, dict[str, int]]:
    """A mean over a whole image is a global average pooling; `reduced_channels` is 0 where channels stay apart."""
    shape = _shape(node.args[0])
    given = _argument(node, 1, "dim")
    dims = sorted(
        one % len(shape)
        for one in (range(len(shape)) if given is None else given if isinstance(given, list) else [given])
    )
    if kind == "mean" and len(shape) == 4 and dims == [2, 3]:
        sizes = {"channels": shape[1], "height": shape[2], "width": shape[3]}
        return "global_avg_pool2d", "", f"mean of {shape[2]}×{shape[3]}", sizes
    channel = 1 if len(shape) == 4 else len(shape) - 1
    sizes = {
        "over_batch": int(0 in dims and shape[0] > 1),
        "reduced_channels": shape[channel] if channel in dims else 0,
        "longest": max(shape[dim] for dim in dims),
    }
    return kind, "", f"{kind} over {'×'.join(str(shape[dim]) for dim in dims)} of {_text(shape)}", sizes


def _norm_use(node: Any, kind: str) -> tuple[str, str, str, dict[str, int]]:
    """`pixels`: what is normalised apart, in the two dimensions of an image; tokens are one line of it."""
    shape = _shape(node.args[0])
    normalised = list(node.args[1]) if isinstance(node.args[1], list | tuple) else [shape[1]]
    sizes = {"channels": int(normalised[-1]), "normalised_dims": len(normalised)}
    sizes["lines"] = shape[1] if len(shape) == 4 else 1
    return kind, "", f"{kind} over {normalised[-1]} of {_text(shape)}", sizes


def _permute_use(node: Any, kind: str) -> tuple[str, str, str, dict[str, int]]:
    """`moved`: the longest dimension; where more than three are longer than 1, the largest product of all but two."""
    shape = _shape(node.args[0])
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


def _softmax_use(node: Any, kind: str) -> tuple[str, str, str, dict[str, int]]:
    shape = _shape(node)
    dim = node.args[1] % len(shape)
    sizes = {"height_width": prod(shape[1:-1])}
    return kind, str(dim - len(shape)), f"{kind} over {shape[dim]} of {_text(shape)}", sizes


def _slice_use(node: Any, kind: str) -> tuple[str, str, str, dict[str, int]]:
    step = _argument(node, 4, "step", 1) if operator_name(node) == "slice" else 1
    return kind, "", f"{kind} of {_text(_shape(node.args[0]))}", {"step": int(step)}


def _power_use(node: Any, kind: str) -> tuple[str, str, str, dict[str, int]]:
    exponent = node.args[1]
    return kind, "" if isinstance(exponent, torch.fx.Node) else f"{exponent:g}", f"{kind} {exponent}", {}


def _resize_use(node: Any, kind: str) -> tuple[str, str, str, dict[str, int]]:
    """`scale` is 0 where the image does not grow by one whole number in both directions."""
    before, after = _shape(node.args[0])[-2:], _shape(node)[-2:]
    factors = {new / old for old, new in zip(before, after, strict=True)}
    factor = factors.pop() if len(factors) == 1 else 0.0
    sizes = {"scale": int(factor) if factor == int(factor) else 0, "height": before[0], "width": before[1]}
    return kind, "", f"{kind} {_text(before)} to {_text(after)}", sizes


def _reshape_use(node: Any, kind: str) -> tuple[str, str, str, dict[str, int]]:
    return kind, "", f"{kind} {_text(_shape(node.args[0]))} to {_text(_shape(node))}", {}


def _broadcast_use(node: Any, kind: str) -> tuple[str, str, str, dict[str, int]]:
    """`widened`: whether an operand is repeated along a dimension, other than a number."""
    operands = [_shape(one) for one in node.args[:2] if isinstance(one, torch.fx.Node)]
    shape = _shape(node)
    inner = [one for one in operands if prod(one) > 1 and one != shape]
    per_channel = all(len(one) == 4 and one[2:] == (1, 1) for one in inner)
    sizes = {"widened": int(bool(inner)), "per_channel": int(per_channel)}
    return kind, "", kind, sizes


def _text(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


_READERS = {
    **dict.fromkeys(("conv1d", "conv2d"), _convolution_use),
    "conv_transpose2d": _transposed_use,
    "linear": _linear_use,
    "matmul": _product_use,
    "scaled_dot_product_attention": _attention_use,
    **dict.fromkeys(
        ("avg_pool2d", "max_pool2d", "max_pool2d_with_indices", "adaptive_avg_pool2d", "adaptive_max_pool2d"),
        _pooling_use,
    ),
    **dict.fromkeys(("mean", "sum", "amax", "amin"), _reduction_use),
    **dict.fromkeys(("layer_norm", "group_norm", "rms_norm"), _norm_use),
    "permute": _permute_use,
    "softmax": _softmax_use,
    "slice": _slice_use,
    "pow": _power_use,
    **dict.fromkeys(("resize_nearest", "resize_bilinear"), _resize_use),
    "reshape": _reshape_use,
    **dict.fromkeys(("add", "sub", "mul", "div", "maximum", "minimum"), _broadcast_use),
}
