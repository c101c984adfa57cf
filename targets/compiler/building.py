"""Scheduled kernels to object code: TVM's lowering passes that CPU kernels need, then LLVM for each target."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from math import prod
from pathlib import Path
from typing import Any

import tvm
from tvm import tirx
from tvm.s_tir import transform as scheduling
from tvm.tirx import transform as lowering

from blockfront.errors import CompilerTimeout
from blockfront.targets.compiler.instructions import with_instructions
from blockfront.targets.compiler.partial_sums import sum_in_parts
from blockfront.targets.compiler.planning import ALIGNMENT
from blockfront.targets.compiler.rewrites import (
    forget_hints,
    keep_on_stack,
    overruns,
    parts,
    shuffle_lanes,
    skip_borders,
)

LIMIT_S = 60.0
"""Seconds that LLVM may take over a kernel; hundredths are usual."""

# Bytes from which on TVM's lowering takes a buffer from its runtime (kMaxStackAlloca).
_STACK = 1024

# The part of TVM's default pipeline that concerns loops on a CPU: what it has for threads of a GPU, for bfloat16 and
# for an entry point of its own costs time in every kernel and does nothing here; common subexpressions LLVM finds.
_UNDIVIDED = [
    scheduling.CanonicalizeLoop(),
    scheduling.LowerInitBlock(),
    scheduling.PlanAndUpdateBufferAllocationLocation(),
    scheduling.ConvertBlocksToOpaque(),
    scheduling.CompactBufferAllocation(),
    scheduling.StmtSimplify(),
    scheduling.LowerOpaqueBlock(),
    lowering.FlattenBuffer(),
    skip_borders,
]
_DIVIDED = [
    sum_in_parts,
    lowering.NarrowDataType(32),
    lowering.VectorizeLoop(True),
    shuffle_lanes,
    lowering.StorageRewrite(),
    keep_on_stack,
    lowering.UnrollLoop(),
    lowering.StmtSimplify(),
    scheduling.RewriteUnsafeSelect(),
]


def lower_kernel(function: tirx.PrimFunc, symbol: str) -> tvm.IRModule:
    """Flat loops over flat buffers under `symbol`, the same for every target; accumulators stay on the stack."""
    module = tvm.IRModule({symbol: function.with_attr("global_symbol", symbol)})
    undivided = tvm.transform.Sequential(_UNDIVIDED)(module)
    divided = _divided(undivided, symbol)
    try:
        return tvm.transform.Sequential(_DIVIDED)(divided)
    except tvm.error.InternalError:
        # Parts of a divided loop have one variable, and other lengths; some passes want a variable for each.
        return tvm.transform.Sequential([lowering.ConvertSSA(), *_DIVIDED])(divided)


def _divided(module: tvm.IRModule, symbol: str) -> tvm.IRModule:
    """Loops that a schedule has marked in parts without their conditions, where TVM does that right."""
    try:
        divided = scheduling.LoopPartition()(module)
    except tvm.error.InternalError:
        # TVM divides no loop twice: a border around a concatenation along the same columns then asks where it is.
        return forget_hints(module)
    return forget_hints(module) if overruns(divided[symbol], module[symbol]) else divided


def scratch_bytes(loops: tirx.PrimFunc) -> tuple[int, int]:
    """Bytes that lowered loops may ask TVM's runtime for: on the thread that calls, and on each further one.

    What is marked stays on the stack, and so does what has less than `_STACK` bytes.
    """
    return _allocated(loops.body, False), _allocated(loops.body, True)


def _allocated(statement: Any, only_in_parallel: bool) -> int:
    if isinstance(statement, tirx.AllocBuffer) and "disable_lower_builtin" not in statement.annotations:
        buffer = statement.buffer
        size = prod(int(extent) for extent in buffer.shape) * tvm.DataType(str(buffer.dtype)).itemsize
        return 0 if only_in_parallel or size < _STACK else -(-size // ALIGNMENT) * ALIGNMENT
    if isinstance(statement, tirx.For) and statement.kind == tirx.ForKind.PARALLEL:
        only_in_parallel = False
    return sum(_allocated(part, only_in_parallel) for part in parts(statement))


def object_code(module: tvm.IRModule, target: tvm.target.Target) -> bytes:
    """An ELF object of a module that `lower_kernel` made. Raises `CompilerTimeout` after `LIMIT_S`.

    The callers pass what memory planning gave them: checking every argument on every call, as TVM's wrappers do by
    default, doubles the time to compile a kernel and triples its code.
    """
    ready = tvm.transform.Sequential(
        [
            lowering.BindTarget(target.with_host(target)),
            lowering.SplitHostDevice(),
            lowering.MakePackedAPI(),
            lowering.LowerTVMBuiltin(),
            lowering.LowerIntrin(),
            lowering.SkipAssert(),
        ]
    )(with_instructions(module, target))
    library = _within(LIMIT_S, tvm.get_global_func("target.build.llvm"), ready, target)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernel.o")
        library.write_to_file(str(path))
        return path.read_bytes()


def _within(limit_s: float, function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function` gives, in a thread: nothing interrupts LLVM, which is left to itself at the limit."""
    result: Future[Any] = Future()

    def work() -> None:
        try:
            result.set_result(function(*arguments))
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    if not wait([result], timeout=limit_s).done:
        raise CompilerTimeout(f"LLVM took longer than {limit_s:g} s")
    return result.result()
