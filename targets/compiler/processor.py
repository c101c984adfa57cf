"""A lowered network as code for a processor: kernels by our schedules, each compiled once, linked with the weights."""

from __future__ import annotations

from collections.abc import Mapping

import tvm

from blockfront.targets.compiler.code import Code
from blockfront.targets.compiler.kernel_cache import KernelCache
from blockfront.targets.compiler.kernels import call_by_symbol, compile_kernels, unoptimized
from blockfront.targets.compiler.linking import Linked, link_program, load_library, load_program
from blockfront.targets.compiler.lowering import finalize
from blockfront.targets.compiler.planning import planned, planned_bytes
from blockfront.targets.hardware.machine import Machine
from blockfront.targets.hardware.target import Target, get_processor


def code_for_processor(
    lowered: tvm.IRModule, target: Target, machine: Machine, tuned: Mapping[str, str] | None, store: KernelCache
) -> Code:
    """Compile a lowered network for `target`, scheduled for `machine`, its cores. `tuned`: see `RunOptions`;
    `store` has kernels that are compiled, and keeps what it lacks.

    What cannot run here is verified by the same scheduled kernels, compiled for this machine as well.
    """
    here = unoptimized(get_processor("host").compiler())
    compilers = [target.compiler()] if target.local else [target.compiler(), here]
    compiled, *copies = compile_kernels(lowered, machine, compilers, store, tuned)
    executable, module = finalize(call_by_symbol(lowered, compiled))
    plan, weights = planned(module)
    library = Linked(lambda: link_program(executable, list(compiled.values()), target.compiler()))
    return Code(
        library=library,
        objects=tuple(dict.fromkeys(kernel.code for kernel in compiled.values())),
        kernels=compiled,
        peak_memory_bytes=planned_bytes(module),
        plan=plan,
        weights=weights,
        runnable=load_program(executable, list(copies[0].values())) if copies else load_library(library.content),
        verified_on="host" if copies else "device",
    )


def copy_for_host(lowered: tvm.IRModule) -> tvm.runtime.Module:
    """A lowered network as this machine's processor runs it, by the schedules for this machine."""
    host = get_processor("host")
    (compiled,) = compile_kernels(lowered, host.machine(1), [unoptimized(host.compiler())], KernelCache())
    executable, _ = finalize(call_by_symbol(lowered, compiled))
    return load_program(executable, list(compiled.values()))
