"""The int8 network as an NPU has it: attention and GELU on int8s too, where processors have them in float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, GraphModule

from blockfront.targets.compiler.importing.rules import Node, argument
from blockfront.targets.latency.ethos.writer import all_values
from blockfront.targets.quantization.affine import Affine, as_float32
from blockfront.targets.quantization.emitting import AFFINE, FUNCTION
from blockfront.targets.quantization.forms import MOVES, aten_name

_OPS = torch.ops.blockfront
_SHARES = Affine(1 / 256, -128)
"""What SOFTMAX gives."""


def round_attention(network: GraphModule, inputs: Sequence[Tensor]) -> GraphModule:
    """The graph in which attention without a mask and GELU read and give int8s, as far as layers make them.

    Ranges are those of `inputs`. What a linear layer gives as float32, and what moves that, is rounded to an int8 that
    spans it, what a convolution gives is one already; scores span theirs, and shares of attention are in 256ths.
    Everything else is as it was.
    """
    made = _Rounding(network, all_values(network, inputs))
    graph = made.graph()
    return GraphModule(network, graph)


class _Rounding:
    """Writes the graph again; `_steps` are the int8 values of what is float32 in the one before."""

    def __init__(self, network: GraphModule, known: Mapping[Node, Any]) -> None:
        self._network, self._known, self._new = network, known, Graph()
        self._nodes: dict[Node, Node] = {}
        self._steps: dict[Node, tuple[Node, Affine]] = {}

    def graph(self) -> Graph:
        """The new one."""
        for node in self._network.graph.nodes:
            if "scaled_dot_product" in aten_name(node) and self._is_plain(node):
                self._attention(node)
                continue
            if node.target is _OPS.quantize.default and len(node.args) == 3 and node.args[0] in self._steps:
                self._rescale(node)
                continue
            self._nodes[node] = self._new.node_copy(node, self._floats)
            self._nodes[node].meta = dict(node.meta)
            if "linear_float" in str(node.target) and any(user.op != "output" for user in node.users):
                self._round(node)
            elif node.target is _OPS.dequantize.default:
                self._steps[node] = self._nodes[node.args[0]], Affine(*node.args[1:3])
            elif aten_name(node) in MOVES and node.args and node.args[0] in self._steps:
                steps, affine = self._steps[node.args[0]]
                moved = self._new.node_copy(node, lambda one: steps if one is node.args[0] else self._floats(one))  # noqa: B023
                self._keep(node, moved, affine)
            elif aten_name(node) == "gelu.default" and node.args[0] in self._steps:
                self._gelu(node)
        self._new.eliminate_dead_code()
        return self._new

    def _floats(self, node: Node) -> Node:
        return self._nodes[node]

    def _call(self, operator: Any, affine: Affine, *args: Any) -> Node:
        made = self._new.call_function(operator.default, args)
        made.meta[AFFINE] = affine
        return made

    def _keep(self, node: Node, steps: Node, affine: Affine) -> None:
        """Who reads the node as float32 from now on reads these."""
        steps.meta = {**steps.meta, AFFINE: affine}
        self._steps[node] = steps, affine
        if isinstance(self._known[node], Tensor):
            self._nodes[node] = self._new.call_function(
                _OPS.dequantize.default, (steps, affine.scale, affine.zero_point)
            )

    def _spanning(self, values: Tensor) -> Affine:
        return Affine.spanning(float(values.min()), float(values.max()))

    def _round(self, node: Node) -> None:
        """To what the layer itself has in the file."""
        affine = self._spanning(self._known[node])
        self._nodes[node].meta[AFFINE] = affine
        steps = self._call(_OPS.quantize, affine, self._nodes[node], affine.scale, affine.zero_point)
        self._keep(node, steps, affine)

    def _gelu(self, node: Node) -> None:
        steps, before = self._steps[node.args[0]]
        values = node.target(before.values().float(), *node.args[1:], **node.kwargs).double()
        affine = self._spanning(self._known[node])
        self._keep(node, self._table(steps, affine, values, (node,)), affine)

    def _rescale(self, node: Node) -> None:
        """Int8s to those of another scale, without floats between."""
        steps, before = self._steps[node.args[0]]
        after = Affine(*node.args[1:3])
        self._nodes[node] = steps if before == after else self._table(steps, after, before.values(), ())

    def _table(self, steps: Node, affine: Affine, values: Tensor, function: tuple[Node, ...]) -> Node:
        name = f"table_{len(self._new.nodes)}"
        self._network.register_buffer(name, affine.steps(values))
        table = self._call(_OPS.lookup, affine, steps, self._new.get_attr(name))
        table.meta[FUNCTION] = function
        return table

    def _is_plain(self, node: Node) -> bool:
        masked = argument(node, 3, "attn_mask") is not None or argument(node, 5, "is_causal", False)
        return not masked and all(one in self._steps for one in node.args[:3])

    def _attention(self, node: Node) -> None:
        (query, q), (key, k), (value, v) = (self._steps[one] for one in node.args[:3])
        known = [self._known[one] for one in node.args[:3]]
        scale = argument(node, 6, "scale") or 1 / sqrt(known[0].shape[-1])
        products = known[0] @ known[1].transpose(-2, -1)
        s, after = self._spanning(products), self._spanning(self._known[node])
        scores = self._call(_OPS.product, s, query, key, q.zero_point, k.zero_point, *self._to(q, k, s), True)
        shares = self._call(_OPS.softmax, _SHARES, scores, as_float32(s.scale * scale))
        points = shares, value, _SHARES.zero_point, v.zero_point
        self._keep(node, self._call(_OPS.product, after, *points, *self._to(_SHARES, v, after), False), after)

    def _to(self, one: Affine, other: Affine, after: Affine) -> tuple[float, int]:
        return as_float32(one.scale * other.scale / after.scale), after.zero_point
