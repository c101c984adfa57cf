"""Kernels of a lowered network: scheduled and compiled one by one, each once, and called by symbol."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

import tvm
import tvm_ffi
from tvm import relax, tirx
from tvm.relax.expr_functor import PyExprMutator, mutator

from bench.targets.kernel_cache import CompiledKernel, KernelCache, rules_version
from bench.targets.schedules import Machine, schedule_kernel

# The callers pass what memory planning gave them: checking every argument on every call, as TVM's wrappers do by
# default, doubles the time to compile a kernel and triples its code.
_OPTIONS = {"tirx.disable_assert": True}
_CALL_BY_NAME = tvm.ir.Op.get("relax.call_dps_packed")


def compile_kernels(
    functions: Mapping[str, tirx.PrimFunc], machine: Machine, target: tvm.target.Target, store: KernelCache
) -> dict[str, CompiledKernel]:
    """Object code for each function, from `store` where it has it."""
    compiled = {}
    for name, function in functions.items():
        structure = structure_of(function)
        key = _hash(structure, str(target), repr(machine), rules_version())
        kernel = store.get(key)
        if kernel is None:
            kernel = _compile(function, machine, target, f"k_{structure[:20]}")
            store.put(key, kernel)
        compiled[name] = kernel
    return compiled


def structure_of(function: tirx.PrimFunc) -> str:
    """A hash of what a kernel computes, whatever its variables are called: its identity on every target."""
    shapes = [[int(extent) for extent in p.ty.shape] for p in function.params]
    bare = function.without_attr("global_symbol")
    return _hash(f"{tvm_ffi.structural_hash(bare, map_free_vars=True):x}", str(shapes))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def unoptimized(target: tvm.target.Target) -> tvm.target.Target:
    """The target without LLVM's optimisations: they take most of a build and do not touch the schedules."""
    return tvm.target.Target({**target.export(), "opt-level": 0})


def _compile(function: tirx.PrimFunc, machine: Machine, target: tvm.target.Target, symbol: str) -> CompiledKernel:
    scheduled = schedule_kernel(function, machine)
    module = tvm.IRModule({symbol: scheduled.function.with_attr("global_symbol", symbol)})
    with tvm.transform.PassContext(opt_level=3, config=_OPTIONS):
        library = tvm.tirx.build(module, target=target)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernel.o")
        library.write_to_file(str(path))
        return CompiledKernel(symbol, scheduled.rule, path.read_bytes())


def call_by_symbol(module: tvm.IRModule, symbols: Mapping[str, str]) -> tvm.IRModule:
    """The Relax functions alone, with every call of a kernel made to the symbol that implements it."""
    return tvm.IRModule({"main": _Linker(symbols).visit_expr(module["main"])})


@mutator
class _Linker(PyExprMutator):
    def __init__(self, symbols: Mapping[str, str]) -> None:
        super().__init__()
        self._symbols = symbols

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = self.visit_expr_post_order(call)
        if getattr(call.op, "name", "") != "relax.call_tir":
            return call
        symbol = relax.ExternFunc(self._symbols[call.args[0].name_hint])
        return relax.Call(_CALL_BY_NAME, [symbol, call.args[1]], None, call.ty_args)
