"""Kernels of a lowered network: scheduled and compiled one by one, each once, and called by symbol."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property

import numpy as np
import tvm
import tvm_ffi
from tvm import relax, tirx
from tvm.relax.expr_functor import PyExprMutator, mutator

from blockfront.errors import CompilerTimeout, debugging
from blockfront.targets.compiler.building import lower_kernel, object_code, scratch_bytes
from blockfront.targets.compiler.elf import ObjectFile
from blockfront.targets.compiler.kernel_cache import CompiledKernel, KernelCache, rules_version
from blockfront.targets.compiler.program import TUNED
from blockfront.targets.compiler.schedules import ScheduledKernel, schedule_kernel
from blockfront.targets.compiler.traces import apply_trace
from blockfront.targets.hardware.machine import Machine

_CALL_BY_NAME = tvm.ir.Op.get("relax.call_dps_packed")


# Kernels in one LLVM module: starting LLVM takes as long as compiling a small kernel, and who needs one links all.
_BATCH = 8


def compile_kernels(
    module: tvm.IRModule,
    machine: Machine,
    targets: Sequence[tvm.target.Target],
    store: KernelCache,
    tuned: Mapping[str, str] | None = None,
) -> list[dict[str, CompiledKernel]]:
    """For each target, object code for each PrimFunc of a lowered module by its name there.

    What `store` has is taken from it; kernels it lacks are scheduled and lowered once for all targets. `tuned` has
    traces by the symbol of the kernel that they are to schedule in place of the rules.
    """
    constants = constant_arguments(module["main"])
    kernels = {
        name: _Source(name, function, constants[name], machine, tuned or {})
        for name, function in kernel_functions(module).items()
    }
    return [_compile(kernels, target, store) for target in targets]


class _Source:
    """A kernel to compile: its identity, and what is worked out only if some target lacks it."""

    def __init__(
        self, name: str, function: tirx.PrimFunc, constants: list[int], machine: Machine, tuned: Mapping[str, str]
    ) -> None:
        self.name = name
        structure = _hash(structure_of(function), str(constants))
        self.symbol = f"k_{structure[:20]}"
        trace = tuned.get(self.symbol)
        if trace is not None:
            structure = _hash(structure, trace)
            self.symbol = f"t_{structure[:20]}"
        self._parts = structure, repr(machine), rules_version()
        self._arguments = function, machine, constants, trace

    def key(self, target: tvm.target.Target) -> str:
        return _hash(target_text(target), *self._parts)

    @cached_property
    def scheduled(self) -> ScheduledKernel:
        return _schedule(*self._arguments)

    @cached_property
    def loops(self) -> tvm.IRModule:
        return lower_kernel(self.scheduled.function, self.symbol)


def _compile(
    kernels: Mapping[str, _Source], target: tvm.target.Target, store: KernelCache
) -> dict[str, CompiledKernel]:
    compiled = {name: _known(store.get(kernel.key(target))) for name, kernel in kernels.items()}
    missing = {kernels[name].symbol: kernels[name] for name, found in compiled.items() if found is None}
    made = {}
    waiting = list(missing.values())
    while waiting:
        batch, waiting = waiting[:_BATCH], waiting[_BATCH:]
        for kernel, code in _object_codes(batch, target):
            scheduled = kernel.scheduled
            sizes = ObjectFile(code).code_bytes(kernel.symbol), scratch_bytes(kernel.loops[kernel.symbol])
            made[kernel.symbol] = CompiledKernel(
                kernel.symbol, scheduled.rule, code, scheduled.packed, scheduled.reason, *sizes
            )
            store.put(kernel.key(target), made[kernel.symbol])
    return {name: found or made[kernels[name].symbol] for name, found in compiled.items()}


def _object_codes(batch: Sequence[_Source], target: tvm.target.Target) -> Iterator[tuple[_Source, bytes]]:
    """Each kernel with the object that it is in. Raises `CompilerTimeout` with the name of one that takes too long."""
    loops = tvm.IRModule()
    for kernel in batch:
        loops.update(kernel.loops)
    try:
        code = object_code(loops, target)
    except CompilerTimeout as error:
        if len(batch) == 1:
            raise CompilerTimeout(f"kernel {batch[0].name}: {error}") from error
        for kernel in batch:
            yield from _object_codes([kernel], target)
        return
    for kernel in batch:
        yield kernel, code


def _known(kernel: CompiledKernel | None) -> CompiledKernel | None:
    """A kernel as it was kept; None where debugging is to see what leaves it unscheduled once more."""
    return None if kernel is not None and kernel.rule is None and debugging() else kernel


def _schedule(function: tirx.PrimFunc, machine: Machine, constants: list[int], trace: str | None) -> ScheduledKernel:
    if trace is not None:
        # A damaged trace costs that kernel its tuning.
        with suppress(ValueError):
            return ScheduledKernel(apply_trace(function, trace).mod["main"], TUNED)
    return schedule_kernel(function, machine, constants)


def structure_of(function: tirx.PrimFunc) -> str:
    """A hash of what a kernel computes, whatever its variables are called: its identity on every target."""
    shapes = [[int(extent) for extent in p.ty.shape] for p in function.params]
    bare = function.without_attr("global_symbol")
    return _hash(f"{tvm_ffi.structural_hash(bare, map_free_vars=True):x}", str(shapes))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def target_text(target: tvm.target.Target) -> str:
    """What code follows from of a target: how many cores there are changes none of it."""
    attributes = {name: value for name, value in target.export().items() if name != "num-cores"}
    return str(sorted(attributes.items()))


def unoptimized(target: tvm.target.Target) -> tvm.target.Target:
    """The target without LLVM's optimisations: they take most of a build and do not touch the schedules."""
    return tvm.target.Target({**target.export(), "opt-level": 0})


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


def constant_arguments(main: relax.Function) -> dict[str, list[int]]:
    """For each kernel, the positions that hold a constant in every call of it."""
    found: dict[str, list[int]] = {}
    for call in kernel_calls(main):
        name = str(call.args[0].name_hint)
        positions = [i for i, argument in enumerate(call.args[1]) if isinstance(argument, tvm.ir.GenericConst)]
        found[name] = [i for i in found.get(name, positions) if i in positions]
    return found


def constant_bytes(main: relax.Function) -> int:
    """Bytes of all constants that kernels read, each once."""
    arguments = (argument for call in kernel_calls(main) for argument in call.args[1])
    constants = dict.fromkeys(argument for argument in arguments if isinstance(argument, tvm.ir.GenericConst))
    return sum(constant.value.numpy().nbytes for constant in constants)


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
            # As an array of TVM's: of NumPy's, it makes 32 bits of 64.
            packed = pack(arguments[position].value.numpy(), columns)
            arguments[position] = relax.const(tvm.runtime.tensor(packed))
        values = relax.Tuple([self.visit_expr(argument) for argument in arguments])
        return relax.Call(_CALL_BY_NAME, [relax.ExternFunc(kernel.symbol), values], None, call.ty_args)


def pack(weights: np.ndarray, columns: int) -> np.ndarray:
    """[..., n] as [n / columns, ..., columns]."""
    tiles = weights.reshape(*weights.shape[:-1], -1, columns)
    return np.ascontiguousarray(np.moveaxis(tiles, -2, 0))
