"""What a block of a kernel computes: its loops, what it reads, and along which of its variables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from math import prod
from typing import Any

from tvm import ir, tirx
from tvm.s_tir import Schedule

from blockfront.targets.compiler.byte_operations import bytes_of_dot, is_dot

_OPERANDS = ("a", "b", "value", "body", "condition", "true_value", "false_value")
_LISTS = ("indices", "args")


def walk(expression: Any) -> Iterator[Any]:
    """Every node of a TIR expression, parents first."""
    todo = [expression]
    while todo:
        node = todo.pop()
        yield node
        kind: Any = type(node)
        operands, lists = _fields(kind)
        children = [getattr(node, name) for name in operands]
        for name in lists:
            children += getattr(node, name) or ()
        todo += [child for child in reversed(children) if _is_expression(child.__class__)]


@cache
def _fields(kind: type) -> tuple[list[str], list[str]]:
    """The names under which nodes of a class have operands, and lists of them."""
    return [name for name in _OPERANDS if hasattr(kind, name)], [name for name in _LISTS if hasattr(kind, name)]


@cache
def _is_expression(kind: type) -> bool:
    return issubclass(kind, ir.Expr)


def variables(expression: Any) -> set[str]:
    """Names of the variables in an expression."""
    return {str(node.name) for node in walk(expression) if isinstance(node, ir.Var)}


def is_conditional(expression: Any) -> bool:
    """Whether an expression is an if_then_else, which reads only the branch it takes."""
    return isinstance(expression, ir.Call) and getattr(expression.op, "name", "") == "prim.if_then_else"


def _tensors(expression: Any) -> set[str]:
    return {str(node.source.name) for node in walk(expression) if isinstance(node, ir.TensorLoad)}


@dataclass(frozen=True)
class Read:
    """One tensor a block loads: the block variables in each index, and the index expressions."""

    tensor: str
    shape: tuple[int, ...]
    indices: tuple[Any, ...]
    used: tuple[frozenset[str], ...]

    @property
    def trimmed(self) -> Read:
        """The same read without the tensor's last dimensions of one element, which say nothing of neighbours."""
        count = max((i for i, length in enumerate(self.shape, start=1) if length > 1), default=1)
        return Read(self.tensor, self.shape[:count], self.indices[:count], self.used[:count])

    def uses(self, variable: str) -> bool:
        return any(variable in names for names in self.used)

    def contiguous(self, variable: str) -> bool:
        """Whether neighbouring values of `variable` are neighbours in memory."""
        last = self.indices[-1]
        plain = not any(isinstance(node, (tirx.FloorDiv, tirx.FloorMod, tirx.Mul)) for node in walk(last))
        return plain and variable in self.used[-1] and not any(variable in names for names in self.used[:-1])


class KernelBlock:
    """A block of a schedule with its extents and reads."""

    def __init__(self, schedule: Schedule, handle: Any) -> None:
        self.schedule = schedule
        self.handle = handle
        self.stmt = schedule.get(handle)
        self.name = str(self.stmt.name_hint)

    @cached_property
    def extents(self) -> dict[str, int]:
        return {str(item.var.name): int(item.dom.extent) for item in self.stmt.iter_vars}

    @cached_property
    def reduced(self) -> list[str]:
        """Names of the reduction variables that take more than one value."""
        return [
            str(item.var.name)
            for item in self.stmt.iter_vars
            if item.iter_type == item.CommReduce and int(item.dom.extent) > 1
        ]

    @property
    def is_reduction(self) -> bool:
        return self.stmt.init is not None

    @property
    def starts_from_memory(self) -> bool:
        """Whether a reduction starts from what it reads, as sums do from the bias, and not from a constant."""
        return any(isinstance(node, ir.TensorLoad) for node in walk(self.stmt.init))

    @cached_property
    def volume(self) -> int:
        """Elements written."""
        return prod(int(item.dom.extent) for item in self.stmt.iter_vars if item.iter_type == item.DataPar)

    @cached_property
    def written(self) -> str:
        return str(self.stmt.writes[0].source.name)

    @cached_property
    def column(self) -> str | None:
        """The variable that walks the output's innermost dimension of more than one element."""
        body = self.stmt.body
        for index in reversed(list(body.indices)):
            names = {name for name in variables(index) if self.extents.get(name, 1) > 1}
            if names:
                return names.pop() if len(names) == 1 else None
        return None

    @cached_property
    def reads(self) -> list[Read]:
        """Loads of the block's update, the accumulator itself left out."""
        found = []
        for node in walk(self.stmt.body.value):
            if isinstance(node, ir.TensorLoad) and str(node.source.name) != self.written:
                used = tuple(
                    frozenset(name for name in variables(index) if self.extents.get(name, 1) > 1)
                    for index in node.indices
                )
                shape = tuple(int(length) for length in node.source.ty.shape)
                found.append(Read(str(node.source.name), shape, tuple(node.indices), used))
        return found

    @cached_property
    def multiplies(self) -> bool:
        """Whether the update accumulates products of two tensors; a sum of squares is no multiply-accumulate."""
        value = getattr(self.stmt.body, "value", None)
        if not isinstance(value, tirx.Add):
            return False
        if self.is_dot:
            return True
        terms = self._terms if self.has_bytes else (value.a, value.b)
        products = [node for node in terms if isinstance(node, tirx.Mul)]
        return any(_tensors(product.a) != _tensors(product.b) for product in products)

    @property
    def is_dot(self) -> bool:
        """Whether the update adds dot products of bytes, four at a time."""
        return any(map(is_dot, self._terms))

    @cached_property
    def _terms(self) -> list[Any]:
        """What the update adds."""
        todo, found = [getattr(self.stmt.body, "value", None)], []
        while todo:
            one = todo.pop()
            if isinstance(one, tirx.Add):
                todo += [one.a, one.b]
            else:
                found.append(one)
        return found

    @property
    def zips(self) -> bool:
        """Whether those are of words that the kernel makes for each channel, as depthwise convolutions do."""
        return self.is_dot and all(read.uses(str(self.column)) for read in self.reads)

    @cached_property
    def has_bytes(self) -> bool:
        """Whether the block reads or writes bytes of a quantised network."""
        regions = [*self.stmt.reads, *self.stmt.writes]
        return any(str(region.source.ty.dtype) in ("int8", "uint8") for region in regions)

    @property
    def has_halves(self) -> bool:
        """Whether the block gives float16."""
        return str(self.stmt.writes[0].source.ty.dtype) == "float16"

    @property
    def widens(self) -> bool:
        """Whether the block computes with bytes as wider numbers; else it copies, compares or looks them up."""
        return self.is_dot or any(isinstance(node, tirx.Cast) for node in walk(self.stmt.body.value))

    @property
    def chooses(self) -> bool:
        """Whether a condition says what the value is: a border, a concatenation."""
        return any(is_conditional(node) for node in walk(self.stmt.body.value))

    @property
    def macs(self) -> int:
        """Multiply-accumulates: the block's iterations when it is a sum of products."""
        products = prod(self.extents.values()) if self.is_reduction and self.multiplies else 0
        if self.is_dot:
            return products * sum(map(bytes_of_dot, self._terms))
        return products * max(1, sum(isinstance(term, tirx.Mul) for term in self._terms))


def group_width(read: Read, column: str) -> int | None:
    """How many neighbouring columns share a value of `read`: the divisor of `column` in its indices."""
    for index in read.indices:
        for node in walk(index):
            if isinstance(node, tirx.FloorDiv) and column in variables(node.a):
                return int(node.b)
    return None


def remainders(block: KernelBlock, column: str) -> list[int]:
    """The numbers by which the block divides `column` to use the remainder, smallest first."""
    nodes = [node for node in walk(block.stmt.body.value) if isinstance(node, tirx.FloorMod)]
    return sorted({int(node.b) for node in nodes if variables(node.a) == {column}} - {1})


def spatial(block: KernelBlock) -> list[str]:
    """Names of the block's data-parallel variables, in loop order."""
    return [str(item.var.name) for item in block.stmt.iter_vars if item.iter_type == item.DataPar]


def extent(schedule: Schedule, loop: Any) -> int:
    """Iterations of a loop."""
    return int(schedule.get(loop).extent)
