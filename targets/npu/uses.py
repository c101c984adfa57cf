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
from blockfront.targets.npu.sizes import describe, shape_of

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
    grouped_conv2d, average pooling to one pixel as global_avg_pool2d. `variant` tells apart further: the
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
        kind = operator_name(node)
        kind, variant, name, sizes = describe(node, _SAME.get(kind, kind))
        uses.append(Use(kind, variant, name, _tensors(node) | sizes, macs_of_call(node), reads))
    return uses


def _is_nothing(node: Any) -> bool:
    name = operator_name(node)
    same_shape = name in ("expand", "expand_as", "reshape", "view", "flatten") and shape_of(node) == shape_of(
        node.args[0]
    )
    return name in _NOTHING or same_shape


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
