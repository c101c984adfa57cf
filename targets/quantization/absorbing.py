"""Factors and terms by channel, such as layer scales, that become part of the weights before them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from blockfront.targets.compiler.importing.rules import Node, argument
from blockfront.targets.quantization.forms import (
    ADD,
    CONCATENATIONS,
    LINEAR,
    MULTIPLY,
    aten_name,
    can_be_integer,
    is_layer,
)
from blockfront.targets.quantization.recording import Recorded, tensor_arguments

_aten = torch.ops.aten


def absorb_constants(recorded: Recorded) -> None:
    """Take products and sums of a tensor and a constant by channel out of a graph.

    They become part of the layers that the tensor is from, through permutations and concatenations; where it is an
    image from other integer operators, as after a batch norm that no convolution stands before, a depthwise convolution
    of one pixel. A constant of one element becomes a number.
    """
    possible: set[Node] = set()
    for node in list(recorded.graph.nodes):
        found = _constant_operand(recorded, node)
        if found is not None:
            source, values, axis = found
            if len(values) == 1 and source.meta["val"].shape == node.meta["val"].shape:
                node.args = (source, values.item(), *node.args[2:])
                if can_be_integer(node, possible):
                    possible.add(node)
                continue
            parts = list(_layers(source, axis, slice(0, len(values)))) if axis is not None else []
            if parts and None not in parts:
                for layer, own in (part for part in parts if part is not None):
                    _change(recorded, layer, aten_name(node), values[own])
                node.replace_all_uses_with(source)
                recorded.graph.erase_node(node)
                continue
            if axis == 1 and source.meta["val"].dim() == 4 and source in possible:
                _make_convolution(recorded, node, source, values)
        if can_be_integer(node, possible):
            possible.add(node)
    recorded.graph.eliminate_dead_code()


def _constant_operand(recorded: Recorded, node: Node) -> tuple[Node, Tensor, int | None] | None:
    """What a product or sum reads beside a constant, the constant's values, and the dimension they differ along."""
    if aten_name(node) not in (ADD, MULTIPLY) or argument(node, 2, "alpha", 1) != 1:
        return None
    operands = tensor_arguments(node)
    constants = [one for one in operands if one.op == "get_attr"]
    if len(operands) != 2 or len(constants) != 1:
        return None
    source = operands[1] if operands[0] is constants[0] else operands[0]
    constant, dimensions = recorded.constants[constants[0].target], source.meta["val"].dim()
    shape = (1,) * (dimensions - constant.dim()) + tuple(constant.shape)
    wide = [axis for axis, extent in enumerate(shape) if extent > 1]
    axis = wide[0] if len(shape) == dimensions and len(wide) == 1 else None
    return source, constant.flatten(), axis


def _layers(node: Node, axis: int, own: slice) -> Iterator[tuple[Node, slice] | None]:
    """The layers whose channels are dimension `axis` of a node that only moves them; None for every other source."""
    if len(node.users) != 1:
        yield None
    elif is_layer(node):
        channels = node.meta["val"].dim() - 1 if aten_name(node) == LINEAR else 1
        yield (node, own) if axis == channels else None
    elif aten_name(node) == "permute.default":
        yield from _layers(node.args[0], argument(node, 1, "dims")[axis] % node.meta["val"].dim(), own)
    elif aten_name(node) in ("clone.default", "contiguous.default", "dropout.default"):
        yield from _layers(node.args[0], axis, own)
    elif aten_name(node) in CONCATENATIONS and argument(node, 1, "dim", 0) % node.meta["val"].dim() == axis:
        first = own.start
        for part in node.args[0]:
            extent = part.meta["val"].shape[axis]
            yield from _layers(part, axis, slice(first, first + extent))
            first += extent
    else:
        yield None


def _change(recorded: Recorded, layer: Node, operator: str, values: Tensor) -> None:
    """Multiply a layer's weights and bias by channel, or add to its bias."""
    weight = recorded.constants[argument(layer, 1, "weight").target]
    bias_node = argument(layer, 2, "bias")
    bias = torch.zeros(len(weight)) if bias_node is None else recorded.constants[bias_node.target]
    if operator == MULTIPLY:
        weight, bias = weight * values.reshape(-1, *[1] * (weight.dim() - 1)), bias * values
    else:
        bias = bias + values
    with recorded.graph.inserting_before(layer):
        constants = _constant(recorded, weight), _constant(recorded, bias)
    layer.args = (layer.args[0], *constants, *layer.args[3:])


def _make_convolution(recorded: Recorded, node: Node, source: Node, values: Tensor) -> None:
    """Turn a product or sum by channel of an image into a convolution."""
    ones, zeros = torch.ones_like(values), torch.zeros_like(values)
    weight, bias = (values, zeros) if aten_name(node) == MULTIPLY else (ones, values)
    with recorded.graph.inserting_before(node):
        constants = _constant(recorded, weight.reshape(-1, 1, 1, 1)), _constant(recorded, bias)
    node.target = _aten.conv2d.default
    node.args = (source, *constants, [1, 1], [0, 0], [1, 1], len(values))


def _constant(recorded: Recorded, tensor: Tensor) -> Node:
    name = f"constant_{len(recorded.constants)}"
    recorded.constants[name] = tensor
    node = recorded.graph.get_attr(name)
    node.meta["val"] = torch.empty_like(tensor, device="meta")
    return node
