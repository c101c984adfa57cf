"""The integer graph: each operator in its integer form, conversions where float32 meets integers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import frexp, inf, prod
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph
from torch.fx.node import map_arg

from blockfront.integer import HIGHEST, LOWEST
from blockfront.targets.compiler.importing.rules import Node, argument
from blockfront.targets.quantization import forms
from blockfront.targets.quantization.affine import Affine, as_float32
from blockfront.targets.quantization.forms import aten_name
from blockfront.targets.quantization.recording import Recorded, tensor_arguments

_OPS = torch.ops.blockfront
_LARGEST_BIAS = 2.0**29
"""Of an int32 bias, so that it and the sum of 65,000 products stay below 2^31."""
_LARGEST_SHIFT = 22
AFFINE, FUNCTION = "affine", "function"


class Emitter:
    """Writes a float graph again as one that computes its `integer` operators in integers.

    `affines` say how the values of each operator are int8s. `corrections` are added to the biases of layers. A node of
    the new graph that gives int8s has its `Affine` under `AFFINE` in its `meta`, and a table the operators that it is
    of under `FUNCTION`, none where it is a change of scale.
    """

    def __init__(
        self,
        recorded: Recorded,
        integer: frozenset[Node],
        affines: Mapping[Node, Affine],
        corrections: Mapping[Node, Tensor],
    ) -> None:
        self.recorded = recorded
        self.integer = integer
        self.affines = affines
        self.corrections = corrections
        self.graph = Graph()
        self.constants: dict[str, Tensor] = {}
        self._floats: dict[Node, Node] = {}
        self._steps: dict[Node, Node] = {}
        self._tables: set[Node] = set()

    def emit(self) -> Graph:
        """The graph; `constants` are its tensors then."""
        for node in self.recorded.graph.nodes:
            if node.op == "placeholder":
                self._floats[node] = self.graph.placeholder(node.target)
            elif node.op == "get_attr":
                self._floats[node] = self._constant(self.recorded.constants[node.target])
            elif node.op == "output":
                self.graph.output(map_arg(node.args[0], self.floats))
            elif node not in self.integer:
                args, kwargs = (map_arg(given, self.floats) for given in (node.args, node.kwargs))
                self._floats[node] = self.graph.call_function(node.target, args, kwargs)
            elif node not in self._steps:
                self._emit_integer(node)
        for node, steps in self._steps.items():
            steps.meta[AFFINE] = self.affine(node)
        self.graph.eliminate_dead_code()
        return self.graph

    def floats(self, node: Node) -> Node:
        """The float32 values of an operator."""
        if node not in self._floats:
            affine = self.affine(node)
            self._floats[node] = self._call(_OPS.dequantize, self._steps[node], affine.scale, affine.zero_point)
        return self._floats[node]

    def steps(self, node: Node) -> Node:
        """The int8 values of an operator."""
        if node not in self._steps:
            affine = self.affine(node)
            self._steps[node] = self._call(_OPS.quantize, self.floats(node), affine.scale, affine.zero_point)
        return self._steps[node]

    def affine(self, node: Node) -> Affine:
        """How the values of an operator are int8s; moves leave them as they are."""
        while node not in self.affines:
            node = tensor_arguments(node)[0]
        return self.affines[node]

    def _emit_integer(self, node: Node) -> None:
        name = aten_name(node)
        if name == forms.LINEAR and forms.gives_float(node, self.integer):
            weight, bias, scale = self._layer(node)
            source = self.affine(node.args[0])
            multiplier = self._constant((source.scale * scale).to(torch.float32))
            self._floats[node] = self._call(
                _OPS.linear_float, self.steps(node.args[0]), weight, bias, multiplier, source.zero_point
            )
            return
        result = forms.clamp_after(node, self.integer) or node
        for names, emit in _EMIT.items():
            if name in names and (names is not forms.TABLED or len(tensor_arguments(node)) == 1):
                self._steps[result] = emit(self, node, result)
                return
        raise AssertionError(f"no integer form of {name}")

    def _bounds(self, result: Node) -> tuple[int, int]:
        """The least and the greatest int8 that a result may be."""
        if aten_name(result) not in forms.CLAMPS:
            return LOWEST, HIGHEST
        affine = self.affine(result)
        low, high = forms.clamp_bounds(result)
        return (
            LOWEST if low == -inf else affine.step(low),
            HIGHEST if high == inf else affine.step(high),
        )

    def _layer(self, node: Node) -> tuple[Node, Node, Tensor]:
        """The int8 weights and the int32 biases of a layer, and the float32 scale of each channel's weights."""
        bias_node = argument(node, 2, "bias")
        constants = self.recorded.constants
        weight = constants[argument(node, 1, "weight").target].detach().float()
        bias = torch.zeros(len(weight)) if bias_node is None else constants[bias_node.target].detach().float()
        if node in self.corrections:
            bias = bias + self.corrections[node]
        scale = self.affine(node.args[0]).scale
        weight, scales = symmetric(weight, bias.abs() / (scale * _LARGEST_BIAS))
        bias = (bias.double() / (scales.double() * scale)).round().to(torch.int32)
        return self._constant(weight), self._constant(bias), scales

    def _convolution(self, node: Node, result: Node) -> Node:
        weight, bias, scales = self._layer(node)
        groups, dilation = argument(node, 6, "groups", 1), forms.pair(argument(node, 5, "dilation", 1))
        stride = forms.pair(argument(node, 3, "stride", 1))
        window = stride, forms.convolution_padding(node), dilation, groups
        return self._convolve(node.args[0], weight, bias, scales, result, *window)

    def _convolve(self, source: Node, weight: Node, bias: Node, scales: Tensor, result: Node, *window: Any) -> Node:
        before, after = self.affine(source), self.affine(result)
        multiplier = self._constant((scales * before.scale) / after.scale)
        points = before.zero_point, after.zero_point
        bounds = self._bounds(result)
        return self._call(_OPS.convolution, self.steps(source), weight, bias, multiplier, *points, *window, *bounds)

    def _average(self, node: Node, result: Node) -> Node:
        kernel = forms.pair(argument(node, 1, "kernel_size"))
        stride = forms.pair(argument(node, 2, "stride") or kernel)
        channels = int(node.meta["val"].shape[1])
        ones = self._constant(torch.ones(channels, 1, *kernel, dtype=torch.int8))
        nothing = self._constant(torch.zeros(channels, dtype=torch.int32))
        scales = torch.full((channels,), 1 / prod(kernel))
        window = stride, forms.pair(argument(node, 3, "padding", 0)), [1, 1], channels
        return self._convolve(node.args[0], ones, nothing, scales, result, *window)

    def _linear(self, node: Node, result: Node) -> Node:
        weight, bias, scales = self._layer(node)
        before, after = self.affine(node.args[0]), self.affine(result)
        multiplier = self._constant((scales * before.scale) / after.scale)
        points = before.zero_point, after.zero_point
        steps = self.steps(node.args[0])
        return self._call(_OPS.linear, steps, weight, bias, multiplier, *points, *self._bounds(result))

    def _add(self, node: Node, result: Node) -> Node:
        a, b, after = self.affine(node.args[0]), self.affine(node.args[1]), self.affine(result)
        ratios = a.scale / after.scale, b.scale / after.scale
        # The mantissa of the greater ratio gets 15 bits.
        shift = max(1, min(_LARGEST_SHIFT, 15 - frexp(max(ratios))[1]))
        times = [min(round(ratio * 2**shift), 2**15 - 1) for ratio in ratios]
        constant = (after.zero_point << shift) + (1 << (shift - 1)) - a.zero_point * times[0] - b.zero_point * times[1]
        steps = self.steps(node.args[0]), self.steps(node.args[1])
        return self._call(_OPS.add, *steps, *times, constant, shift, *self._bounds(result))

    def _multiply(self, node: Node, result: Node) -> Node:
        a, b, after = self.affine(node.args[0]), self.affine(node.args[1]), self.affine(result)
        multiplier = as_float32(a.scale * b.scale / after.scale)
        steps = self.steps(node.args[0]), self.steps(node.args[1])
        points = a.zero_point, b.zero_point
        return self._call(_OPS.multiply, *steps, *points, multiplier, after.zero_point, *self._bounds(result))

    def _mean(self, node: Node, result: Node) -> Node:
        before, after = self.affine(node.args[0]), self.affine(result)
        dims, keep = forms.mean_dimensions(node)
        count = prod(node.args[0].meta["val"].shape[dim] for dim in dims)
        multiplier = as_float32(before.scale / (after.scale * count))
        steps = self.steps(node.args[0])
        points = before.zero_point, multiplier, after.zero_point
        return self._call(_OPS.mean, steps, dims, keep, *points, *self._bounds(result))

    def _table(self, node: Node, result: Node) -> Node:
        """A function of one value, and those before it that nobody else reads, as one table."""
        chain, source = [node], tensor_arguments(node)[0]
        while source in self._tables and len(source.users) == 1:
            chain.insert(0, source)
            source = tensor_arguments(source)[0]
        self._tables.add(node)
        values = self.affine(source).values().float()
        for one in chain:
            args, kwargs = map_arg((one.args, one.kwargs), lambda _: values)  # noqa: B023
            values = one.target(*args, **kwargs)
        return self._lookup(self.steps(source), self.affine(node), values.double(), chain)

    def _concatenate(self, node: Node, result: Node) -> Node:
        after = self.affine(node)
        parts = [
            self.steps(part)
            if self.affine(part) == after
            else self._lookup(self.steps(part), after, self.affine(part).values())
            for part in node.args[0]
        ]
        return self._call(node.target, parts, *node.args[1:], **node.kwargs)

    def _pad(self, node: Node, result: Node) -> Node:
        steps, zero_point = self.steps(node.args[0]), self.affine(node.args[0]).zero_point
        return self._call(torch.ops.aten.constant_pad_nd.default, steps, argument(node, 1, "pad"), zero_point)

    def _upsample(self, node: Node, result: Node) -> Node:
        """Rows and columns, each as often as it comes: torch has the operator for floats alone."""
        steps = self.steps(node.args[0])
        for axis in (2, 3):
            before, after = (int(one.meta["val"].shape[axis]) for one in (node.args[0], node))
            places = self._constant(torch.arange(before).repeat_interleave(after // before))
            steps = self._call(torch.ops.aten.index_select.default, steps, axis, places)
        return steps

    def _move(self, node: Node, result: Node) -> Node:
        def moved(one: Node) -> Node:
            return self.steps(one) if "val" in one.meta else self.floats(one)

        args, kwargs = (map_arg(given, moved) for given in (node.args, node.kwargs))
        return self._call(node.target, *args, **kwargs)

    def _lookup(self, steps: Node, after: Affine, values: Tensor, function: Sequence[Node] = ()) -> Node:
        table = self._call(_OPS.lookup, steps, self._constant(after.steps(values)))
        table.meta |= {AFFINE: after, FUNCTION: tuple(function)}
        return table

    def _call(self, operator: Any, *args: Any, **kwargs: Any) -> Node:
        default = getattr(operator, "default", operator)
        return self.graph.call_function(default, args, kwargs)

    def _constant(self, tensor: Tensor) -> Node:
        name = f"constant_{len(self.constants)}"
        self.constants[name] = tensor.detach()
        return self.graph.get_attr(name)


_EMIT: Mapping[Any, Callable[[Emitter, Node, Node], Node]] = {
    forms.CONVOLUTIONS: Emitter._convolution,
    (forms.LINEAR,): Emitter._linear,
    forms.TABLED: Emitter._table,
    (forms.ADD,): Emitter._add,
    (forms.MULTIPLY,): Emitter._multiply,
    forms.MEANS: Emitter._mean,
    (forms.AVERAGE,): Emitter._average,
    forms.CONCATENATIONS: Emitter._concatenate,
    forms.PADS: Emitter._pad,
    forms.UPSAMPLINGS: Emitter._upsample,
    forms.MOVES: Emitter._move,
}
"""By the names of operators; a sum or product of one tensor and a number is a table."""


def symmetric(weight: Tensor, least: Tensor | float = 0.0) -> tuple[Tensor, Tensor]:
    """Weights (O, ...) as int8 from -127 to 127, and the float32 scale of each channel, which is at least `least`."""
    scales = (weight.abs().flatten(1).amax(1) / HIGHEST).maximum(torch.as_tensor(least, dtype=torch.float32))
    scales = torch.where(scales > 0, scales, 1.0)
    steps = (weight / scales.reshape(-1, *[1] * (weight.dim() - 1))).round()
    return steps.clamp(-HIGHEST, HIGHEST).to(torch.int8), scales
