"""Forms of operators by which token reduction chooses: comparisons, sums and gathers, all left to the processor.

Ethos-U85 has some of them for int8 and int32; here they are of float32, as the network has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from blockfront.errors import RunError
from blockfront.targets.compiler.importing.rules import Node, argument
from blockfront.targets.latency.ethos.writer import Form, TfliteWriter, Value


def _cast(to: TfliteWriter, node: Node) -> Value:
    """To another type of numbers, nothing where it is that already."""
    return to.typed(node.args[0], to.known[node].dtype)


def _reduced(code: str) -> Form:
    """Over dimensions, all where none are named."""

    def form(to: TfliteWriter, node: Node) -> Value:
        source = to.typed(node.args[0], to.known[node].dtype)
        rank = len(source.shape)
        given = argument(node, 1, "dim") or list(range(rank))
        dims = [dim % rank for dim in ([given] if isinstance(given, int) else given)]
        keep = bool(argument(node, 2, "keepdim", False))
        left = [dim for dim in source.order if keep or dim not in dims]
        result = to.result(node, tuple(sorted(left).index(dim) for dim in left))
        axes = to.file.whole_numbers([source.order.index(dim) for dim in dims])
        to.write(code, [source, axes], [result], "ReducerOptions", keepDims=keep)
        return result

    return form


def _clamp(to: TfliteWriter, node: Node) -> Value:
    """Between numbers, of which one may lack."""
    found = to.typed(node.args[0], to.known[node].dtype)
    for code, place, name in (("MAXIMUM", 1, "min"), ("MINIMUM", 2, "max")):
        bound = argument(node, place, name)
        if bound is not None:
            made = to.tensor(node.name, found.shape, found.order, None, found.kind)
            to.write(code, [found, to.typed(bound, to.known[node].dtype)], [made], "MaximumMinimumOptions")
            found = made
    return found


def _of_two(code: str, options: str, turned: bool = False) -> Form:
    """Broadcast as torch does it, and of the type that torch takes; `turned`: the second comes first."""

    def form(to: TfliteWriter, node: Node) -> Value:
        rank = len(to.shape(node))
        dtype = torch.result_type(*(_known(to, one) for one in node.args[:2]))
        plain = tuple(range(rank))
        values = [broadcast(to, to.typed(one, dtype), plain) for one in node.args[:2]]
        result = to.result(node, plain)
        to.write(code, values[::-1] if turned else values, [result], options)
        return result

    return form


def _known(to: TfliteWriter, operand: Any) -> Any:
    return to.known[operand] if isinstance(operand, torch.fx.Node) else operand


def broadcast(to: TfliteWriter, value: Value, order: Sequence[int]) -> Value:
    """A value with as many dimensions as an operator gives, in its order; a number stays one."""
    missing = len(order) - len(value.shape)
    return to.ordered(to.reshape(value, (1,) * missing + value.shape), tuple(order)) if value.shape else value


def _expand(to: TfliteWriter, node: Node) -> Value:
    """Nothing where only gathers read it, which take rows as they are."""
    plain = tuple(range(len(to.shape(node))))
    source = broadcast(to, to.read(node.args[0]), plain)
    if source.shape == to.shape(node) or all("gather" in str(user.target) for user in node.users):
        return source
    result = to.result(node, plain)
    to.write("BROADCAST_TO", [source, to.file.whole_numbers(to.shape(node))], [result], "BroadcastToOptions")
    return result


def _gather(to: TfliteWriter, node: Node) -> Value:
    """Whole rows by one index each. Raises `RunError` for an index of single numbers within rows."""
    source = to.read(node.args[0])
    rank = len(source.shape)
    dim = node.args[1] % rank
    index = node.args[2]
    if "expand" in str(index.target):
        index = index.args[0]
    before, rows = to.shape(index)[: dim + 1], to.shape(index)[dim + 1 :]
    if any(extent != 1 for extent in rows) or before[:dim] != source.shape[:dim]:
        raise RunError(f"{node.name} of single numbers has no form in a .tflite file")
    places = to.ordered(to.reshape(to.read(index), before), tuple(range(dim + 1)))
    result = to.result(node, tuple(range(rank)))
    operands = [to.ordered(source, tuple(range(rank))), places]
    to.write("GATHER", operands, [result], "GatherOptions", axis=dim, batchDims=dim)
    return result


def _ones(to: TfliteWriter, node: Node) -> Value:
    """A constant."""
    known = to.known[node]
    return to.number(torch.ones_like(known), known.shape, tuple(range(known.ndim)))


CHOICES: dict[str, Form] = {
    **{"to": _cast, "sum": _reduced("SUM"), "amax": _reduced("REDUCE_MAX"), "amin": _reduced("REDUCE_MIN")},
    **{
        "clamp": _clamp,
        "clamp_min": _clamp,
        "expand": _expand,
        "expand_as": _expand,
        "gather": _gather,
        "new_ones": _ones,
    },
    **{"gt": _of_two("GREATER", "GreaterOptions"), "ge": _of_two("GREATER_EQUAL", "GreaterEqualOptions")},
    **{"lt": _of_two("LESS", "LessOptions"), "le": _of_two("LESS_EQUAL", "LessEqualOptions")},
    **{"eq": _of_two("EQUAL", "EqualOptions"), "rsub": _of_two("SUB", "SubOptions", turned=True)},
    "__and__": _of_two("LOGICAL_AND", "LogicalAndOptions"),
    "__or__": _of_two("LOGICAL_OR", "LogicalOrOptions"),
}
