"""Which operators have an integer form, and which of a graph's are integer."""

from __future__ import annotations

import operator
from collections.abc import Container, Sequence
from math import inf
from typing import Any

import torch

from blockfront.targets.compiler.importing.rules import Node, argument
from blockfront.targets.quantization.recording import Recorded, tensor_arguments

CONVOLUTIONS = ("conv2d.default", "conv2d.padding")
LINEAR = "linear.default"
ADD, MULTIPLY = "add.Tensor", "mul.Tensor"
MEANS = ("mean.dim", "adaptive_avg_pool2d.default")
AVERAGE = "avg_pool2d.default"
CONCATENATIONS = ("cat.default", "concat.default")
_BOUNDS = {
    "relu.default": (0.0, inf),
    "relu6.default": (0.0, 6.0),
    "hardtanh.default": (-1.0, 1.0),
    "clamp.default": (-inf, inf),
    "clamp_min.default": (-inf, inf),
}
CLAMPS = tuple(_BOUNDS)
UPSAMPLINGS = ("upsample_nearest2d.vec", "upsample_nearest2d.default")
PADS = ("constant_pad_nd.default", "pad.default")
MOVES = frozenset(
    {
        *("clone.default", "contiguous.default", "alias.default", "detach.default", "dropout.default"),
        *("view.default", "reshape.default", "flatten.using_ints", "_unsafe_view.default", "unflatten.int"),
        *("permute.default", "transpose.int", "t.default", "expand.default"),
        *("squeeze.default", "squeeze.dim", "squeeze.dims", "unsqueeze.default"),
        *("slice.Tensor", "select.int", "narrow.default", "chunk.default", "getitem"),
        *("split.Tensor", "split_with_sizes.default", "unbind.int", "unbind.default"),
        *("channel_shuffle.default", "pixel_shuffle.default", "pixel_unshuffle.default", "max_pool2d.default"),
    }
)
"""Operators that move values and change none."""

TABLED = frozenset(
    {
        *CLAMPS,
        *("hardswish.default", "hardsigmoid.default", "sigmoid.default", "silu.default", "tanh.default"),
        *("leaky_relu.default", "elu.default", "mish.default", "softplus.default", "log_sigmoid.default"),
        *("neg.default", "abs.default", "square.default", "exp.default"),
        *("mul.Scalar", "div.Scalar", "add.Scalar", "sub.Scalar", "pow.Tensor_Scalar"),
        *("mul.Tensor", "div.Tensor", "add.Tensor", "sub.Tensor"),
    }
)
"""Functions of one value, where whatever else they read is a number: a table of 256 holds them."""


def aten_name(node: Node) -> str:
    """An operator's name and overload, as torch gives them; empty for what is none."""
    if node.op != "call_function":
        return ""
    return "getitem" if node.target is operator.getitem else str(getattr(node.target, "__name__", ""))


def find_integer(recorded: Recorded, floats: Container[str] = ()) -> frozenset[Node]:
    """The operators that are computed in integers.

    Convolutions and linear layers with constant weights are. So is any other that has an integer form if whatever it
    reads comes from integer operators, or is the image, and an integer operator reads what it gives. `floats` are
    names of nodes that stay in float32.
    """
    possible: set[Node] = set()
    for node in recorded.graph.nodes:
        if node.name not in floats and can_be_integer(node, possible):
            possible.add(node)
    found: set[Node] = set()
    for node in reversed(recorded.graph.nodes):
        if node in possible and (is_layer(node) or _follows_layer(node) or set(node.users) & found):
            found.add(node)
    parts = {node for node in recorded.graph.nodes if aten_name(node) == "getitem" and node.args[0] in found}
    return frozenset(found | parts)


def gives_float(node: Node, integer: Container[Node]) -> bool:
    """Whether an integer operator gives float32: a linear layer that no integer operator reads."""
    return aten_name(node) == LINEAR and not any(user in integer for user in node.users)


def clamp_after(node: Node, integer: Container[Node]) -> Node | None:
    """The clamp that is part of an integer operator that rounds, if there is one."""
    if not (is_layer(node) or aten_name(node) in (ADD, MULTIPLY, *MEANS)) or len(tensor_arguments(node)) < 1:
        return None
    clamp = next(iter(node.users)) if len(node.users) == 1 else None
    return clamp if clamp is not None and clamp in integer and is_clamp_of(clamp, node) else None


def find_ranged(recorded: Recorded, integer: frozenset[Node]) -> list[Node]:
    """The operators whose values get an int8 of their own: what integer operators give and read, but for moves."""
    ranged: dict[Node, None] = {}
    for node in recorded.graph.nodes:
        if node in integer:
            moved = aten_name(node) in (*MOVES, *PADS, *UPSAMPLINGS)
            if not (moved or gives_float(node, integer) or clamp_after(node, integer)):
                ranged[node] = None
            if node.op == "call_function":
                ranged.update(dict.fromkeys(one for one in activations(node) if one not in integer))
    return list(ranged)


def activations(node: Node) -> list[Node]:
    """What an integer operator reads that is no constant."""
    return [one for one in tensor_arguments(node) if one.op != "get_attr"]


def is_layer(node: Node) -> bool:
    """Whether a node is a convolution, or a linear layer, with constant weights that can be integers."""
    name = aten_name(node)
    if name not in (*CONVOLUTIONS, LINEAR) or argument(node, 1, "weight").op != "get_attr":
        return False
    bias = argument(node, 2, "bias")
    symmetric = name != "conv2d.padding" or _symmetric_padding(node) is not None
    return symmetric and node.meta["val"].dtype == torch.float32 and (bias is None or bias.op == "get_attr")


def is_clamp_of(node: Node, source: Node) -> bool:
    """Whether a node clamps what `source` gives, and nobody else reads that: then it is done where that is rounded."""
    return aten_name(node) in CLAMPS and tensor_arguments(node) == [source] and len(source.users) == 1


def clamp_bounds(node: Node) -> tuple[float, float]:
    """Between which values a clamp leaves what it reads."""
    low, high = _BOUNDS[aten_name(node)]
    names = ("min_val", "max_val") if aten_name(node) == "hardtanh.default" else ("min", "max")
    given = [argument(node, place, name) for place, name in enumerate(names, 1)]
    return (low if given[0] is None else float(given[0])), (high if given[1] is None else float(given[1]))


def mean_dimensions(node: Node) -> tuple[list[int], bool]:
    """The dimensions that a mean is over, and whether they stay with an extent of 1."""
    if aten_name(node) == "adaptive_avg_pool2d.default":
        return [-2, -1], True
    dims = argument(node, 1, "dim")
    return [dims] if isinstance(dims, int) else list(dims), bool(argument(node, 2, "keepdim", False))


def pair(value: Any) -> list[int]:
    """One number for both directions of an image, or two."""
    values = [value] if isinstance(value, int) else list(value)
    return values * 2 if len(values) == 1 else values


def convolution_padding(node: Node) -> list[int]:
    """What a convolution with the same padding on both sides is padded by, in rows and columns."""
    if aten_name(node) == "conv2d.padding":
        return _symmetric_padding(node) or [0, 0]
    return pair(argument(node, 4, "padding", 0))


def _symmetric_padding(node: Node) -> list[int] | None:
    if argument(node, 4, "padding", "valid") == "valid":
        return [0, 0]
    kernel = argument(node, 1, "weight").meta["val"].shape[2:]
    around = [step * (size - 1) for step, size in zip(pair(argument(node, 5, "dilation", 1)), kernel, strict=True)]
    return None if any(total % 2 for total in around) else [total // 2 for total in around]


def _is_image(node: Node) -> bool:
    return node.op == "placeholder" and node.meta["val"].dtype == torch.float32


def _follows_layer(node: Node) -> bool:
    """Whether a node clamps the result of a convolution, which costs nothing there."""
    sources = tensor_arguments(node)
    return len(sources) == 1 and is_clamp_of(node, sources[0]) and aten_name(sources[0]) in CONVOLUTIONS


def can_be_integer(node: Node, possible: Container[Node]) -> bool:
    """Whether a node is an image, or has an integer form that reads what is `possible`."""
    if "val" not in node.meta:
        return False
    if is_layer(node) or _is_image(node):
        return True
    name, read = aten_name(node), tensor_arguments(node)
    if not name or not read or any(one not in possible for one in read) or not _is_float(node):
        return False
    if name in (ADD, MULTIPLY) and len(read) == 2:
        shapes = [one.meta["val"].shape for one in read]
        return argument(node, 2, "alpha", 1) == 1 and (name == MULTIPLY or shapes[0] == shapes[1])
    if name in MEANS:
        return name == "mean.dim" or pair(argument(node, 1, "output_size")) == [1, 1]
    if name == AVERAGE:
        return _is_plain_average(node)
    if name in PADS:
        return _is_border_of_zeros(node)
    if name in UPSAMPLINGS:
        before, after = (one.meta["val"].shape[2:] for one in (read[0], node))
        return all(wide % narrow == 0 for wide, narrow in zip(after, before, strict=True))
    if name in MOVES or name in TABLED:
        return len(read) == 1
    return name in CONCATENATIONS


def _is_border_of_zeros(node: Node) -> bool:
    """`pad` has a mode before its value, `constant_pad_nd` has none."""
    named = aten_name(node) == "pad.default"
    constant = not named or argument(node, 2, "mode", "constant") == "constant"
    return constant and argument(node, 3 if named else 2, "value", 0) in (0, None)


def _is_plain_average(node: Node) -> bool:
    """Whether all windows of an average pool count alike: none is cut off, and a border counts where there is one."""
    stride = pair(argument(node, 2, "stride") or argument(node, 1, "kernel_size"))
    padding, kernel = pair(argument(node, 3, "padding", 0)), pair(argument(node, 1, "kernel_size"))
    before, after = (one.meta["val"].shape[-2:] for one in (node.args[0], node))
    whole = all(
        (count - 1) * step + window <= extent + 2 * border
        for count, step, window, extent, border in zip(after, stride, kernel, before, padding, strict=True)
    )
    counted = padding == [0, 0] or bool(argument(node, 5, "count_include_pad", True))
    return whole and counted and argument(node, 6, "divisor_override") is None


def _is_float(node: Node) -> bool:
    value = node.meta["val"]
    parts: Sequence[torch.Tensor] = value if isinstance(value, list | tuple) else [value]
    return all(part.dtype == torch.float32 for part in parts)
