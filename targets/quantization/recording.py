"""A module's operators as a graph that takes any number of images at once."""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.fx import Graph, GraphModule
from torch.fx import Node as FxNode
from torch.fx.node import map_aggregate

from blockfront.agreement.outputs import tensors
from blockfront.evaluation import in_evaluation
from blockfront.signature import BARE, Signature
from blockfront.targets.compiler.exporting import Trace, export_module
from blockfront.targets.compiler.importing.rules import Node
from blockfront.targets.compiler.importing.support import functional


@dataclass(frozen=True)
class Recorded:
    """A module's operators, batch norms folded, none in place; `outputs` are the names of what it gives.

    `meta["val"]` of a node is a tensor on torch's meta device, of the shape for one image, or a list of such. With
    `batched` the graph takes any number of images, else one.
    """

    graph: Graph
    constants: dict[str, torch.Tensor]
    outputs: tuple[str, ...]
    batched: bool

    def module(self) -> GraphModule:
        """The graph as a module that returns the tuple of its outputs."""
        return GraphModule(self.constants, self.graph)


def record(module: nn.Module, signature: Signature, several: bool = True) -> Recorded:
    """The operators of `module`, which is on the CPU; raises `RunError` as `export_module` does.

    For `several` images it is recorded for one and for two: a whole number that is twice as large for two is the number
    of images times what it is for one. A module whose operators depend otherwise on it takes images one by one.
    """
    trace = export_module(module, signature)
    with torch.no_grad():
        outputs = tuple(tensors(in_evaluation(module)(*signature.zeros())))
    batched = several and signature.is_image and _for_any_number(trace, _of_two(module, signature))
    for node in trace.graph.nodes:
        if node.op == "call_function":
            node.target = functional(node.target)
    return Recorded(trace.graph, trace.constants, outputs, batched)


def as_returned(outputs: tuple[Any, ...], names: tuple[str, ...]) -> Any:
    """Outputs as a module gives them: one by itself, or by name."""
    return outputs[0] if names == (BARE,) else dict(zip(names, outputs, strict=True))


def _of_two(module: nn.Module, signature: Signature) -> Trace:
    (image,) = signature.inputs
    return export_module(module, Signature((replace(image, shape=(2, *image.shape[1:])),)))


def _for_any_number(one: Trace, two: Trace) -> bool:
    """Change a graph for one image to one for any number, by that for two; False, and no change, where that fails."""
    if len(one.graph.nodes) != len(two.graph.nodes):
        return False
    pairs = list(zip(one.graph.nodes, two.graph.nodes, strict=True))
    for mine, other in pairs:
        if (mine.op, mine.target) != (other.op, other.target):
            return False
        if mine.op == "get_attr" and one.constants[mine.target].shape != two.constants[other.target].shape:
            return False
        if mine.op == "call_function" and not _differ_by_number((mine.args, mine.kwargs), (other.args, other.kwargs)):
            return False
    with one.graph.inserting_after(next(iter(one.graph.nodes))):
        shape = one.graph.call_function(getattr, (next(iter(one.graph.nodes)), "shape"))
    with one.graph.inserting_after(shape):
        images = one.graph.call_function(operator.getitem, (shape, 0))

    def scaled(mine: Any, other: Any) -> Any:
        if isinstance(mine, list | tuple):
            return tuple(map(scaled, mine, other))
        if isinstance(mine, FxNode) or mine == other:
            return mine
        with one.graph.inserting_after(images):
            return one.graph.call_function(operator.mul, (images, mine))

    for mine, other in pairs:
        if mine.op == "call_function":
            mine.args = scaled(mine.args, other.args)
            mine.kwargs = {name: scaled(value, other.kwargs[name]) for name, value in mine.kwargs.items()}
    return True


def _differ_by_number(one: Any, two: Any) -> bool:
    """Whether arguments of one image and of two differ in nothing but whole numbers, twice as large for two."""
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(_differ_by_number(one[name], two[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(_differ_by_number, one, two))
    if isinstance(one, FxNode):
        return isinstance(two, FxNode) and one.name == two.name
    return bool(one == two or (type(one) is int and one > 0 and two == 2 * one))


def tensor_arguments(node: Node) -> list[Node]:
    """The nodes that a node reads tensors from, in order."""
    found: list[Node] = []

    def keep(leaf: Any) -> Any:
        if isinstance(leaf, FxNode) and "val" in leaf.meta:
            found.append(leaf)
        return leaf

    map_aggregate((node.args, node.kwargs), keep)
    return found
