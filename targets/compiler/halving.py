"""A recorded network in float16, with operators that need more range or digits in float32 between casts."""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import Graph, GraphModule
from torch.fx.node import map_aggregate

from blockfront.targets.compiler.exporting import Trace
from blockfront.targets.compiler.importing.rules import Node
from blockfront.targets.compiler.importing.support import functional, name_of, only_moves

_to = torch.ops.aten.to.dtype

_IN_FLOAT16 = frozenset(
    f"{name}.default"
    for name in (
        *("conv2d", "linear", "matmul", "bmm", "mm", "scaled_dot_product_attention", "layer_norm"),
        *("relu", "relu6", "hardtanh", "clamp", "hardswish", "hardsigmoid", "leaky_relu", "neg", "constant_pad_nd"),
    )
) | {
    *("conv2d.padding", "softmax.int"),
    *(f"{name}.{kind}" for name in ("add", "sub", "mul") for kind in ("Tensor", "Scalar")),
}
"""Operators that are computed on float16 and give it. Inside their kernels softmax and layer norm are float32, and long
sums are cut in parts. Any other operator that is no mere move is float32."""


def in_float16(trace: Trace) -> Trace:
    """The network with float16 for float32 inside: its inputs and outputs, and numbers of other types, stay.

    What a float32 operator gives is rounded where an operator of float16 reads it, and then everybody reads that. An
    operator with a finite constant that float16 has no number for is float32.
    """
    caster = _Caster(Trace(Graph(), dict(trace.constants)))
    caster.trace.graph.output(caster.trace.graph.graph_copy(trace.graph, {}))
    caster.halve()
    return caster.trace


def as_module(trace: Trace) -> GraphModule:
    """A recorded network as torch runs it; it gives the tuple of its outputs."""
    return GraphModule(trace.constants, trace.graph)


class _Caster:
    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self._casts: dict[tuple[Node, torch.dtype], Node] = {}

    def halve(self) -> None:
        *nodes, output = self.trace.graph.nodes
        for node in nodes:
            if node.op == "call_function":
                node.target = functional(node.target)
        wanted = self._read_in_float16(nodes)
        for node in nodes:
            if node.op != "call_function":
                continue
            if self._is_float16(node) or (only_moves(node) and any(map(_is_half, node.all_input_nodes))):
                self._read(node, torch.float16)
                node.meta["val"] = map_aggregate(node.meta["val"], _halved)
                continue
            self._read(node, torch.float32)
            if node in wanted and not only_moves(node) and _dtype(node) == torch.float32:
                rounded = self._cast(node, torch.float16)
                node.replace_all_uses_with(rounded, delete_user_cb=lambda user, rounded=rounded: user is not rounded)
        self._read(output, torch.float32)
        self.trace.graph.eliminate_dead_code()

    def _read_in_float16(self, nodes: list[Node]) -> set[Node]:
        """What an operator of float16 reads, at once or after moves."""
        found: set[Node] = set()
        for node in reversed(nodes):
            if any(self._is_float16(user) or (user in found and only_moves(user)) for user in node.users):
                found.add(node)
        return found

    def _is_float16(self, node: Node) -> bool:
        if node.op != "call_function" or name_of(node.target) not in _IN_FLOAT16:
            return False
        constants = [self.trace.constants[one.target] for one in node.all_input_nodes if one.op == "get_attr"]
        return _dtype(node) in (torch.float32, torch.float16) and not any(map(_overflows, constants))

    def _read(self, node: Node, dtype: torch.dtype) -> None:
        """Let a node read floating-point numbers of a type."""
        for source in node.all_input_nodes:
            if _dtype(source) in (torch.float16, torch.float32) and _dtype(source) != dtype:
                node.replace_input_with(source, self._cast(source, dtype))

    def _cast(self, node: Node, dtype: torch.dtype) -> Node:
        if (node, dtype) not in self._casts:
            with self.trace.graph.inserting_after(node):
                if node.op == "get_attr":
                    self._casts[node, dtype] = self.trace.constant(self.trace.constants[node.target].to(dtype))
                else:
                    cast = self.trace.graph.call_function(_to, (node, dtype))
                    cast.meta["val"] = node.meta["val"].to(dtype)
                    self._casts[node, dtype] = cast
        return self._casts[node, dtype]


def _dtype(node: Node) -> torch.dtype | None:
    """The type of a node's elements; None of several tensors, which are read one by one."""
    return getattr(node.meta.get("val"), "dtype", None)


def _is_half(node: Node) -> bool:
    values = node.meta["val"]
    return any(one.dtype == torch.float16 for one in (values if isinstance(values, list | tuple) else [values]))


def _halved(value: Any) -> Any:
    return value.half() if isinstance(value, torch.Tensor) and value.dtype == torch.float32 else value


def _overflows(constant: torch.Tensor) -> bool:
    if constant.dtype != torch.float32:
        return False
    finite = constant[constant.isfinite()]
    return bool((finite.abs() > torch.finfo(torch.float16).max).any())
