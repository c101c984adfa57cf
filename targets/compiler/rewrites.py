"""Rewrites of a kernel's lowered loops that TVM has no pass for."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import tvm
import tvm_ffi
from tvm import ir, sym, tirx

from blockfront.targets.compiler.schedules.analysis import is_conditional

_INTEGER: dict[type, Callable[[int, int], int]] = {
    tirx.Add: operator.add,
    tirx.Sub: operator.sub,
    tirx.Mul: operator.mul,
    tirx.FloorDiv: operator.floordiv,
    tirx.FloorMod: operator.mod,
}


@tirx.transform.prim_func_pass(opt_level=0, name="KeepOnStack")
def keep_on_stack(function: tirx.PrimFunc, _module: tvm.IRModule, _context: tvm.transform.PassContext) -> tirx.PrimFunc:
    """Leave local buffers on the stack: TVM takes them from the heap, where LLVM has to store every accumulator."""
    return function.with_body(_on_stack(function.body))


def _on_stack(statement: Any) -> Any:
    if isinstance(statement, tirx.AllocBuffer) and statement.buffer.scope() == "local":
        return tirx.AllocBuffer(statement.buffer, {"disable_lower_builtin": tirx.IntImm("int32", 1)})
    return rebuilt(statement, _on_stack)


@tirx.transform.prim_func_pass(opt_level=0, name="ForgetHints")
def forget_hints(function: tirx.PrimFunc, _module: tvm.IRModule, _context: tvm.transform.PassContext) -> tirx.PrimFunc:
    """Loops as they are, in place of what `LoopPartition` would make of those that a schedule has marked for it."""
    return function.with_body(_unmarked(function.body))


def _unmarked(statement: Any) -> Any:
    if isinstance(statement, tirx.AttrStmt) and str(statement.attr_key) == "pragma_loop_partition_hint":
        return _unmarked(statement.body)
    return rebuilt(statement, _unmarked)


def overruns(divided: tirx.PrimFunc, whole: tirx.PrimFunc) -> bool:
    """Whether a part of a loop may be longer than the loop was.

    `LoopPartition` cuts where a condition changes, and takes that place to be within the loop; of a condition on outer
    loops too, such as of a concatenation that was reshaped, it may be beyond its end.
    """
    lengths: dict[str, int] = {}

    def measure(loop: tirx.For) -> None:
        if isinstance(loop.extent, tirx.IntImm):
            name = str(loop.loop_var.name)
            lengths[name] = max(lengths.get(name, 0), int(loop.extent))

    tvm_ffi.structural_walk(whole.body, [(tirx.For, measure)])
    analyzer, found = sym.Analyzer(), False

    def compare(loop: tirx.For) -> None:
        nonlocal found
        length = lengths.get(str(loop.loop_var.name))
        if length is not None and analyzer.const_int_bound(loop.extent).max_value > length:
            found = True
        # Parts that follow each other may have one variable.
        analyzer.bind(loop.loop_var, ir.Range(0, loop.extent), allow_override=True)

    tvm_ffi.structural_walk(divided.body, [(tirx.For, compare)], order="pre")
    return found


@tirx.transform.prim_func_pass(opt_level=0, name="ShuffleLanes")
def shuffle_lanes(function: tirx.PrimFunc, _module: tvm.IRModule, _context: tvm.transform.PassContext) -> tirx.PrimFunc:
    """Vectors read from local memory in a fixed order become shuffles of registers, where TVM loads every element."""
    return function.with_body(_shuffled(function.body))


def _shuffled(statement: Any) -> Any:
    if not isinstance(statement, tirx.BufferStore):
        return rebuilt(statement, _shuffled)
    load = statement.value
    if not (isinstance(load, ir.TensorLoad) and load.source.scope() == "local"):
        return statement
    index = load.indices[-1]
    order = None if isinstance(index, tirx.Ramp) else _lanes(index)
    if order is None or len(order) == 1 or sorted(order) != list(range(len(order))):
        return statement
    registers = tirx.BufferLoad(load.source, [tirx.Ramp(0, 1, len(order))])
    return tirx.BufferStore(statement.buffer, tirx.Shuffle([registers], order), statement.indices)


def _lanes(index: Any) -> list[int] | None:
    """The values of a vector of integers; None unless they are known."""
    if isinstance(index, tirx.IntImm):
        return [int(index)]
    if isinstance(index, tirx.Broadcast):
        value = _lanes(index.value)
        return None if value is None else value * int(index.lanes)
    if isinstance(index, tirx.Ramp):
        start, step = _lanes(index.base), _lanes(index.stride)
        return None if start is None or step is None else [start[0] + i * step[0] for i in range(int(index.lanes))]
    if type(index) in _INTEGER:
        left, right = _lanes(index.a), _lanes(index.b)
        return None if left is None or right is None else list(map(_INTEGER[type(index)], left, right))
    return None


@tirx.transform.prim_func_pass(opt_level=0, name="SkipBorders")
def skip_borders(function: tirx.PrimFunc, _module: tvm.IRModule, _context: tvm.transform.PassContext) -> tirx.PrimFunc:
    """acc += (x if inside else 0) · w becomes: if inside, acc += x · w; the same for a maximum.

    Each part of the condition moves out of the loops that it does not depend on, and so does that of a border's copy.
    """
    return function.with_body(_skip(function.body))


def _skip(statement: Any) -> Any:
    if isinstance(statement, tirx.BufferStore):
        return _guarded(statement)
    statement = rebuilt(statement, _skip)
    return _hoisted(statement) if isinstance(statement, tirx.For) else statement


def _guarded(store: Any) -> Any:
    value = store.value
    if not isinstance(value, tirx.Add | tirx.Max) or not is_element(value.a, store):
        return store
    product = isinstance(value, tirx.Add) and isinstance(value.b, tirx.Mul)
    factors = [value.b.a, value.b.b] if product else [value.b]
    guard = next((i for i, factor in enumerate(factors) if is_conditional(factor)), None)
    if guard is None:
        return store
    condition, inside, outside = factors[guard].args
    neutral = 0.0 if isinstance(value, tirx.Add) else float(tirx.min_value(value.ty.dtype).value)
    if float(getattr(outside, "value", "nan")) != neutral:
        return store
    factors[guard] = inside
    update = factors[0] * factors[1] if product else inside
    guarded = tirx.BufferStore(store.buffer, type(value)(value.a, update), store.indices)
    for part in reversed(_conjuncts(condition)):
        guarded = tirx.IfThenElse(part, guarded, None)
    return guarded


def is_element(load: Any, store: Any) -> bool:
    """Whether an expression reads the very element that a store writes."""
    return (
        isinstance(load, ir.TensorLoad)
        and load.source.same_as(store.buffer)
        and all(tvm_ffi.structural_equal(a, b) for a, b in zip(load.indices, store.indices, strict=True))
    )


def _conjuncts(condition: Any) -> list[Any]:
    if isinstance(condition, tirx.And):
        return [*_conjuncts(condition.a), *_conjuncts(condition.b)]
    return [condition]


def _hoisted(loop: Any) -> Any:
    """The loop with the branches that are all of its body and do not depend on it around it."""
    branch = _branch(loop.body)
    if branch is None or _uses(branch.condition, loop.loop_var):
        return loop
    otherwise = None if branch.else_case is None else _hoisted(_with_body(loop, branch.else_case))
    return tirx.IfThenElse(branch.condition, _hoisted(_with_body(loop, branch.then_case)), otherwise)


def _branch(statement: Any) -> Any:
    """A branch as it is, and a store of a conditional value as a branch around two stores; otherwise None."""
    if isinstance(statement, tirx.BufferStore) and is_conditional(statement.value):
        condition, *values = statement.value.args
        stores = [tirx.BufferStore(statement.buffer, value, statement.indices) for value in values]
        return tirx.IfThenElse(condition, *stores)
    return statement if isinstance(statement, tirx.IfThenElse) else None


def _uses(expression: Any, variable: Any) -> bool:
    return any(found.same_as(variable) for found in tirx.analysis.undefined_vars(expression))


def _with_body(loop: Any, body: Any) -> Any:
    header = (loop.loop_var, loop.min, loop.extent, loop.kind)
    return tirx.For(*header, body, loop.thread_binding, loop.annotations, loop.step)


def parts(statement: Any) -> list[Any]:
    """The statements directly inside a statement."""
    if isinstance(statement, tirx.SeqStmt):
        return list(statement.seq)
    if isinstance(statement, (tirx.For, tirx.AttrStmt)):
        return [statement.body]
    if isinstance(statement, tirx.IfThenElse):
        return [branch for branch in (statement.then_case, statement.else_case) if branch is not None]
    return []


def rebuilt(statement: Any, visit: Callable[[Any], Any]) -> Any:
    """`statement` with `visit` applied to the statements directly inside it."""
    if isinstance(statement, tirx.SeqStmt):
        return tirx.SeqStmt([visit(part) for part in statement.seq])
    if isinstance(statement, tirx.For):
        return _with_body(statement, visit(statement.body))
    if isinstance(statement, tirx.AttrStmt):
        return tirx.AttrStmt(statement.node, statement.attr_key, statement.value, visit(statement.body))
    if isinstance(statement, tirx.IfThenElse):
        otherwise = None if statement.else_case is None else visit(statement.else_case)
        return tirx.IfThenElse(statement.condition, visit(statement.then_case), otherwise)
    return statement
