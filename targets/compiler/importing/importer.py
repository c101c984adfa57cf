"""The importer: TVM's converters, with channels-last rules in front of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
import tvm
from tvm import relax
from tvm.relax.frontend.torch.exported_program_translator import ExportedProgramImporter

from blockfront.integer import exact
from blockfront.targets.compiler.constants import constant
from blockfront.targets.compiler.importing.reshaping import Order, identity
from blockfront.targets.compiler.importing.rules import Node, dtype_of, rule_of
from blockfront.targets.compiler.importing.support import only_moves, out_of_place
from blockfront.targets.compiler.legalizing import ELEMENTWISE, KernelBuilder, Legalize, call_te
from blockfront.targets.compiler.quantized_values import moved
from blockfront.targets.hardware.machine import WORD, Machine

if TYPE_CHECKING:
    from blockfront.targets.compiler.exporting import Trace


def _is_int8(node: Node) -> bool:
    return getattr(node.meta["val"], "dtype", None) == torch.int8


class Importer(ExportedProgramImporter):
    """TVM's converters, with channels-last rules in front of them.

    `order`: how a node's value is stored, where that is not torch's own order; `padded`: attention weights and their
    means with spare columns of zeros, beside the value without; `words`: a quantised picture with its channels filled
    up to one word a pixel, beside its bytes; `byte`: the type that int8 values of torch are stored in, `shift` more
    than they are; `word_bytes`, `zips` and `masks`: see `Machine`; `multiply_adds`: of float32, a cycle.
    """

    def __init__(self, rules: Mapping[str, Legalize], machine: Machine | None = None) -> None:
        super().__init__()
        self.block_builder = KernelBuilder(rules)
        self.byte = "int8" if machine is None else machine.byte
        self.shift = 128 if self.byte == "uint8" else 0
        self.zips = machine is not None and machine.zips
        self.word_bytes = WORD if machine is None else machine.word_bytes
        self.masks = machine is not None and machine.masks
        self.multiply_adds = 1 if machine is None else machine.lanes * machine.multiply_adds_a_cycle(machine.lanes)
        self.order: dict[Node, Order] = {}
        self.padded: dict[Node, relax.Expr] = {}
        self.words: dict[Node, relax.Expr] = {}

    def module(self, trace: Trace) -> tvm.IRModule:
        """A Relax module whose function `main` takes the inputs in torch's NCHW order and gives the outputs so.

        One output is a tensor, several are a tuple.
        """
        *nodes, output = trace.graph.nodes
        parameters = {
            node: relax.Var(node.name, relax.TensorType(list(node.meta["val"].shape), dtype_of(node)))
            for node in nodes
            if node.op == "placeholder"
        }
        self.env.update(parameters)
        with self.block_builder.function("main", list(parameters.values())):
            with self.block_builder.dataflow():
                for node in parameters:
                    if self.byte != "int8" and _is_int8(node):
                        self.env[node] = self.other_byte(self.env[node])
                for node in nodes:
                    if node.op == "get_attr" and node.users and node.meta["val"].numel():
                        self.env[node] = constant(trace.constants[node.target])
                    elif node.op == "call_function":
                        self._convert(node)
                (results,) = output.args
                for result in results:
                    self.restore(result)
                    if self.byte != "int8" and _is_int8(result) and result.op != "get_attr":
                        self.env[result] = self.other_byte(self.env[result])
                # Each by itself: what leaves the network is fused with nothing that reads it.
                values = [self.block_builder.emit_output(self.env[result]) for result in results]
            self.block_builder.emit_func_output(values if len(values) > 1 else values[0])
        return self.block_builder.get()

    def _convert(self, node: Node) -> None:
        moving = only_moves(node)
        kept = [] if self.byte == "int8" or exact(node.target) else self._retyped(node, moving)
        rule = rule_of(node)
        if rule is not None:
            rule(self, node)
        else:
            for source in node.all_input_nodes:
                self.restore(source)
            self.env[node] = self._converter(node)(node)
        for source, value, order in kept:
            self.env[source] = value
            if order is not None:
                self.order[source] = order
        if not (self.byte == "int8" or exact(node.target) or moving) and _is_int8(node):
            self.env[node] = self.other_byte(self.env[node])

    def _retyped(self, node: Node, moving: bool) -> list[tuple[Node, relax.Expr, Order | None]]:
        """Give an operator of torch's int8 values as torch has them, and constants as activations are stored to one
        that only moves both. Returns what to undo."""
        kept = []
        for source in node.all_input_nodes:
            if _is_int8(source) and (source.op == "get_attr") == moving:
                kept.append((source, self.env[source], self.order.get(source)))
                self.env[source] = self.other_byte(self.env[source])
        return kept

    def other_byte(self, value: relax.Expr) -> relax.Expr:
        """Bytes with a sign as such without, and the other way around."""
        return self.block_builder.emit(call_te(self.block_builder, moved, value, name="moved", attributes=ELEMENTWISE))

    def _converter(self, node: Node) -> Callable[[Node], relax.Expr]:
        name = node.target.__name__
        found: Callable[[Node], relax.Expr] = self.convert_map.get(name) or self.convert_map[out_of_place(name)]
        return found

    def emit(self, node: Node, value: relax.Expr, order: Order | None = None) -> None:
        """Bind `node` to `value`, stored in `order` (torch's own by default)."""
        self.env[node] = self.block_builder.emit(value)
        if order is not None and order != identity(len(order)):
            self.order[node] = order

    def order_of(self, node: Node) -> Order:
        return self.order.get(node) or identity(node.meta["val"].dim())

    def stored(self, node: Node, order: Order) -> relax.Expr:
        """`node`'s value stored in `order`; a permutation is emitted where it is stored otherwise."""
        current = self.order_of(node)
        if current == order:
            return self.env[node]
        axes = [current.index(dimension) for dimension in order]
        return self.block_builder.emit(relax.op.permute_dims(self.env[node], axes))

    def restore(self, node: Node) -> None:
        """Store `node` in torch's own order from here on."""
        if node in self.order:
            self.env[node] = self.stored(node, identity(len(self.order[node])))
            del self.order[node]

    def reduced(self, node: Node, operator: Callable[..., relax.Expr], axes: Sequence[int], keep: bool) -> None:
        """Reduce the one input along logical `axes` (all where there are none), in the order it is stored in."""
        order = self.order_of(node.args[0])
        gone = {axis % len(order) for axis in axes} or {*order}
        value = operator(self.env[node.args[0]], [order.index(axis) for axis in sorted(gone)], keepdims=keep)
        left = [dimension for dimension in order if dimension not in gone]
        self.emit(node, value, order if keep else tuple(sorted(left).index(dimension) for dimension in left))

    def converted(self, node: Node, order: Order) -> None:
        """Apply TVM's converter to the stored values as they are."""
        self.emit(node, self._converter(node)(node), order)
