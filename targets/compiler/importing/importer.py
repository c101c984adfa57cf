"""The importer: TVM's converters, with channels-last rules in front of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import tvm
from tvm import relax
from tvm.relax.frontend.torch.exported_program_translator import ExportedProgramImporter

from blockfront.targets.compiler.constants import constant
from blockfront.targets.compiler.importing.reshaping import Order, identity
from blockfront.targets.compiler.importing.rules import Node, dtype_of, rule_of
from blockfront.targets.compiler.importing.support import out_of_place
from blockfront.targets.compiler.legalizing import KernelBuilder, Legalize

if TYPE_CHECKING:
    from blockfront.targets.compiler.exporting import Trace


class Importer(ExportedProgramImporter):
    """TVM's converters, with channels-last rules in front of them.

    `order`: how a node's value is stored, where that is not torch's own order; `padded`: attention weights and their
    means with spare columns of zeros, beside the value without.
    """

    def __init__(self, rules: Mapping[str, Legalize]) -> None:
        super().__init__()
        self.block_builder = KernelBuilder(rules)
        self.order: dict[Node, Order] = {}
        self.padded: dict[Node, relax.Expr] = {}

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
                for node in nodes:
                    if node.op == "get_attr" and node.users and node.meta["val"].numel():
                        self.env[node] = constant(trace.constants[node.target])
                    elif node.op == "call_function":
                        self._convert(node)
                (results,) = output.args
                for result in results:
                    self.restore(result)
                # Each by itself: what leaves the network is fused with nothing that reads it.
                values = [self.block_builder.emit_output(self.env[result]) for result in results]
            self.block_builder.emit_func_output(values if len(values) > 1 else values[0])
        return self.block_builder.get()

    def _convert(self, node: Node) -> None:
        rule = rule_of(node)
        if rule is not None:
            rule(self, node)
            return
        for source in node.all_input_nodes:
            self.restore(source)
        self.env[node] = self._converter(node)(node)

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
