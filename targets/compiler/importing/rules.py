"""The registry of our own rules for operators, and what they read of a call."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from tvm.relax.frontend.torch.exported_program_translator import ExportedProgramImporter

from blockfront.targets.compiler.importing.support import LEFT_OUT, name_of, out_of_place, supported

if TYPE_CHECKING:
    from blockfront.targets.compiler.importing.importer import Importer

# A torch.fx.Node: its stub types every argument as one of twenty kinds, which no rule could use unchecked.
Node: TypeAlias = Any
Conversion = Callable[["Importer", Node], None]
"""Emits what a node computes."""

RULES: dict[str, Conversion] = {}


def rule(*names: str) -> Callable[[Conversion], Conversion]:
    """Register a rule for operators, by the name and overload torch gives them."""

    def register(function: Conversion) -> Conversion:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def rule_of(node: Node) -> Conversion | None:
    """The rule for a call, or None where TVM's own converter serves."""
    if node.op != "call_function":
        return None
    if node.target is operator.getitem:
        return RULES["getitem"]
    name = name_of(node.target)
    return RULES.get(name) or RULES.get(out_of_place(name))


def argument(node: Node, position: int, name: str, default: Any = None) -> Any:
    """An argument of a call, given by position or by name."""
    return node.args[position] if len(node.args) > position else node.kwargs.get(name, default)


def dtype_of(node: Node) -> str:
    """TVM's name of the type of a call's elements."""
    return str(node.meta["val"].dtype).removeprefix("torch.")


@cache
def converted_by_tvm() -> frozenset[str]:
    """Operators, by name and overload, that TVM's importer takes and that we leave to it."""
    return frozenset(ExportedProgramImporter().convert_map) - LEFT_OUT


def converts(operator: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> bool:
    """Whether an ATen operator can be imported as it is, called with these arguments where there are any."""
    names = {name_of(operator), out_of_place(name_of(operator))}
    known = any(name in RULES or name in converted_by_tvm() for name in names) and not names & LEFT_OUT
    return known and (not args or supported(operator, args, kwargs or {}))
