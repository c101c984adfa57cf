"""Long sums of float16 in parts, whose sums are added up: rounding then grows with the root of both counts, not of all.

Higham, "Accuracy and Stability of Numerical Algorithms" (2002), section 4.2: blocked summation.
"""

from __future__ import annotations

from typing import Any

import tvm
import tvm_ffi
from tvm import tirx
from tvm.tirx import transform as lowering

from blockfront.targets.compiler.rewrites import is_element, parts, rebuilt

LONGEST = 128
"""What one part adds up at most."""


@tirx.transform.prim_func_pass(opt_level=0, name="SumInParts")
def sum_in_parts(function: tirx.PrimFunc, _module: tvm.IRModule, _context: tvm.transform.PassContext) -> tirx.PrimFunc:
    """Accumulators of float16 that get more than `LONGEST` terms begin anew after as many, and totals add them up."""
    cut = function.with_body(_searched(function.body))
    if tvm_ffi.structural_equal(cut, function):
        return function
    # TVM uses a loop's variable again in copies of the loop, which are of other lengths now.
    return lowering.ConvertSSA()(tvm.IRModule({"main": cut}))["main"]


def _searched(statement: Any) -> Any:
    sums = _sums(statement) if isinstance(statement, tirx.For) else None
    if sums is None:
        return rebuilt(statement, _searched)
    if _terms(statement, sums) <= LONGEST:
        return statement
    totals = tirx.decl_buffer(sums.shape, str(sums.dtype), "totals", scope="local")
    lanes = _lanes(statement)
    into, back = (
        _vectors(totals, lanes, lambda i: tirx.BufferLoad(sums, i)),
        _vectors(sums, lanes, lambda i: tirx.BufferLoad(totals, i)),
    )
    return tirx.SeqStmt([tirx.AllocBuffer(totals), into, _in_parts(statement, sums, totals, lanes), back])


def _sums(loop: Any) -> Any:
    """The accumulators of float16 that a loop adds to and never sets; None where there are none, or two such."""
    stores = _stores(loop)
    updated = [store.buffer for store in stores if _adds(store)]
    if not updated or not all(buffer.same_as(updated[0]) for buffer in updated):
        return None
    return updated[0] if all(_adds(store) for store in stores if store.buffer.same_as(updated[0])) else None


def _stores(statement: Any) -> list[Any]:
    if isinstance(statement, tirx.BufferStore):
        return [statement]
    return [store for part in parts(statement) for store in _stores(part)]


def _adds(store: Any) -> bool:
    of_halves = store.buffer.scope() == "local" and str(store.buffer.dtype) == "float16"
    return of_halves and isinstance(store.value, tirx.Add) and is_element(store.value.a, store)


def _terms(statement: Any, sums: Any) -> int:
    """How many terms a statement adds to an accumulator, at most."""
    if isinstance(statement, tirx.BufferStore):
        return int(statement.buffer.same_as(sums))
    found = [_terms(part, sums) for part in parts(statement)]
    if isinstance(statement, tirx.IfThenElse):
        return max(found)
    times = int(statement.extent) if isinstance(statement, tirx.For) and not _indexes(statement, sums) else 1
    return times * sum(found)


def _indexes(loop: Any, sums: Any) -> bool:
    """Whether each step of a loop has accumulators of its own."""
    indices = [index for store in _stores(loop) if store.buffer.same_as(sums) for index in store.indices]
    return any(one.same_as(loop.loop_var) for index in indices for one in tirx.analysis.undefined_vars(index))


def _lanes(statement: Any) -> int:
    """Accumulators in a vector."""
    if isinstance(statement, tirx.For) and statement.kind == tirx.ForKind.VECTORIZED:
        return int(statement.extent)
    return max((_lanes(part) for part in parts(statement)), default=1)


def _in_parts(statement: Any, sums: Any, totals: Any, lanes: int) -> Any:
    """A statement that leaves what it adds in the totals."""
    terms = _terms(statement, sums)
    if terms == 0:
        return statement
    if terms <= LONGEST:
        return tirx.SeqStmt([_zero(sums, lanes), statement, _add(totals, sums, lanes)])
    cut = isinstance(statement, tirx.For) and not _indexes(statement, sums)
    if not cut or _terms(statement.body, sums) > LONGEST:
        return rebuilt(statement, lambda part: _in_parts(part, sums, totals, lanes))
    count, most = int(statement.extent), LONGEST * int(statement.extent) // terms
    even = max(each for each in range(1, most + 1) if count % each == 0)
    each = even if 2 * even >= most else most
    if each == 1:
        return rebuilt(statement, lambda part: tirx.SeqStmt([_zero(sums, lanes), part, _add(totals, sums, lanes)]))
    number = tirx.Var(f"{statement.loop_var.name}_part", str(statement.loop_var.ty.dtype))

    def part(begin: Any, extent: int) -> Any:
        steps = tirx.For(statement.loop_var, statement.min + begin, extent, statement.kind, statement.body)
        return tirx.SeqStmt([_zero(sums, lanes), steps, _add(totals, sums, lanes)])

    whole = tirx.For(number, 0, count // each, tirx.ForKind.SERIAL, part(number * each, each))
    rest = count % each
    return tirx.SeqStmt([whole, part(count - rest, rest)]) if rest else whole


def _zero(sums: Any, lanes: int) -> Any:
    return _vectors(sums, lanes, lambda i: tirx.const(0, str(sums.dtype)))


def _add(totals: Any, sums: Any, lanes: int) -> Any:
    return _vectors(totals, lanes, lambda i: tirx.BufferLoad(totals, i) + tirx.BufferLoad(sums, i))


def _vectors(written: Any, lanes: int, value: Any) -> Any:
    """Each element of local memory becomes what `value` gives for its index, a vector at a time."""
    vector, lane = tirx.Var("vector", "int32"), tirx.Var("lane", "int32")
    index = [vector * lanes + lane]
    store = tirx.BufferStore(written, value(index), index)
    inner = tirx.For(lane, 0, lanes, tirx.ForKind.VECTORIZED, store)
    return tirx.For(vector, 0, int(written.shape[0]) // lanes, tirx.ForKind.UNROLLED, inner)
