"""The importer: TVM's converters, with channels-last rules in front of them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeAlias

from torch.export import ExportedProgram
from tvm import relax
from tvm.relax.frontend.torch.exported_program_translator import ExportedProgramImporter

from bench.targets.importing.reshaping import Order, identity

# A torch.fx.Node: its stub types every argument as one of twenty kinds, which no rule could use unchecked.
Node: TypeAlias = Any
Rule = Callable[["Importer", Node], None]

RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule for operators, by the name and overload torch gives them."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def rule_of(node: Node) -> Rule | None:
    """The rule for a call, or None where TVM's own converter serves."""
    if node.op != "call_function":
        return None
    return RULES.get("getitem" if node.target is operator.getitem else node.target.__name__)


def argument(node: Node, position: int, name: str, default: Any = None) -> Any:
    """An argument of a call, given by position or by name."""
    return node.args[position] if len(node.args) > position else node.kwargs.get(name, default)


def both(*names: str, overload: str = "default") -> list[str]:
    """The names with and without the underscore of the in-place version."""
    return [f"{name}{suffix}.{overload}" for name in names for suffix in ("", "_")]


class Importer(ExportedProgramImporter):
    """TVM's converters, with channels-last rules in front of them."""

    def __init__(self) -> None:
        super().__init__()
        self.order: dict[Node, Order] = {}

    def missing(self, exported: ExportedProgram) -> set[Any]:
        """Operators neither TVM nor this importer converts."""
        self.update_convert_map({})
        return {
            node.target
            for node in exported.graph.nodes
            if node.op == "call_function" and node.target.__name__ not in self.convert_map and rule_of(node) is None
        }

    def _check_unsupported_func_type(self, nodes: Any) -> None:
        super()._check_unsupported_func_type(node for node in nodes if rule_of(node) is None)

    def _translate_fx_graph(self, graph_module: Any, nodes: Any, inputs_vars: Any, custom_ops: Any = None) -> Any:
        for node in nodes:
            if node.op == "call_function":
                rule = rule_of(node)
                if rule is None:
                    for source in node.all_input_nodes:
                        self.restore(source)
                    self.env[node] = self.convert_map[node.target.__name__](node)
                else:
                    rule(self, node)
            elif node.op == "placeholder":
                self.env[node] = inputs_vars[node.name]
            elif node.op == "get_attr":
                self.env[node] = getattr(graph_module, node.target)
            else:
                for source in node.all_input_nodes:
                    self.restore(source)
                return self._flatten_output_args(self.retrieve_args(node)[0])
        raise ValueError("the exported graph has no output")

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

    def converted(self, node: Node, order: Order) -> None:
        """Apply TVM's converter to the stored values as they are."""
        self.emit(node, self.convert_map[node.target.__name__](node), order)
