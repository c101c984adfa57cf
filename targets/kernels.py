"""Kernels of a lowered network: scheduled and compiled one by one, each once, and called by symbol."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
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
    module: tvm.IRModule, machine: Machine, target: tvm.target.Target, store: KernelCache
) -> dict[str, CompiledKernel]:
    """Object code for each PrimFunc of a lowered module, by its name there, from `store` where it has it."""
    compiled = {}
    constants = _constant_arguments(module["main"])
    for name, function in kernel_functions(module).items():
        structure = _hash(structure_of(function), str(constants[name]))
        key = _hash(structure, str(target), repr(machine), rules_version())
        kernel = store.get(key)
        if kernel is None:
            kernel = _compile(function, constants[name], machine, target, f"k_{structure[:20]}")
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


def _compile(
    function: tirx.PrimFunc, constants: list[int], machine: Machine, target: tvm.target.Target, symbol: str
) -> CompiledKernel:
    scheduled = schedule_kernel(function, machine, constants)
    module = tvm.IRModule({symbol: scheduled.function.with_attr("global_symbol", symbol)})
    with tvm.transform.PassContext(opt_level=3, config=_OPTIONS):
        library = tvm.tirx.build(module, target=target)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernel.o")
        library.write_to_file(str(path))
        return CompiledKernel(symbol, scheduled.rule, path.read_bytes(), scheduled.packed)


def kernel_functions(module: tvm.IRModule) -> dict[str, tirx.PrimFunc]:
    """The kernels of a lowered module by name."""
    return {
        str(variable.name_hint): function
        for variable, function in module.functions_items()
        if isinstance(function, tirx.PrimFunc)
    }


def call_by_symbol(module: tvm.IRModule, kernels: Mapping[str, CompiledKernel]) -> tvm.IRModule:
    """The Relax functions alone: every kernel called by its symbol, every constant in the layout it expects."""
    return tvm.IRModule({"main": _Linker(kernels).visit_expr(module["main"])})


def kernel_calls(main: relax.Function) -> list[relax.Call]:
    """Every call of a kernel in a lowered function."""
    calls = []

    def visit(node: object) -> None:
        if isinstance(node, relax.Call) and getattr(node.op, "name", "") == "relax.call_tir":
            calls.append(node)

    relax.analysis.post_order_visit(main, visit)
    return calls


def _constant_arguments(main: relax.Function) -> dict[str, list[int]]:
    """For each kernel, the positions that hold a constant in every call of it."""
    found: dict[str, list[int]] = {}
    for call in kernel_calls(main):
        name = str(call.args[0].name_hint)
        positions = [i for i, argument in enumerate(call.args[1]) if isinstance(argument, tvm.ir.GenericConst)]
        found[name] = [i for i in found.get(name, positions) if i in positions]
    return found


@mutator
class _Linker(PyExprMutator):
    def __init__(self, kernels: Mapping[str, CompiledKernel]) -> None:
        super().__init__()
        self._kernels = kernels

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        if getattr(call.op, "name", "") != "relax.call_tir":
            return self.visit_expr_post_order(call)
        kernel = self._kernels[call.args[0].name_hint]
        arguments = list(call.args[1])
        for position, columns in kernel.packed:
            arguments[position] = relax.const(_packed(arguments[position].value.numpy(), columns))
        values = relax.Tuple([self.visit_expr(argument) for argument in arguments])
        return relax.Call(_CALL_BY_NAME, [relax.ExternFunc(kernel.symbol), values], None, call.ty_args)


def _packed(weights: np.ndarray, columns: int) -> np.ndarray:
    tiles = weights.reshape(*weights.shape[:-1], -1, columns)
    return np.ascontiguousarray(np.moveaxis(tiles, -2, 0))
