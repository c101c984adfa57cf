"""A lowered network as code for a GPU: dlight's schedules, TVM's generator of CUDA C or OpenCL C, one library."""

from __future__ import annotations

from math import prod

import tvm
from tvm import tirx
from tvm.s_tir import Schedule, dlight

from blockfront.errors import RunError
from blockfront.targets.compiler.code import Code
from blockfront.targets.compiler.cuda_compiler import use_cuda_compiler
from blockfront.targets.compiler.kernel_cache import CompiledKernel
from blockfront.targets.compiler.kernels import kernel_functions
from blockfront.targets.compiler.linking import Linked, link_executable, load_library, module_objects
from blockfront.targets.compiler.lowering import finalize
from blockfront.targets.compiler.planning import planned_bytes
from blockfront.targets.compiler.processor import copy_for_host
from blockfront.targets.compiler.schedules.inlining import root_blocks
from blockfront.targets.compiler.schedules.rule import NotScheduled, reported_as
from blockfront.targets.hardware.target import Target

VERIFIED_ON = "host without the GPU's schedules"

# dlight gives each output of a reduction a block of threads. The window of a depthwise convolution or of a pooling
# would leave most of them idle, and does better with a thread for each output.
_SHORT = 64


if tvm.cuda(0).exist:
    use_cuda_compiler()


def code_for_gpu(lowered: tvm.IRModule, target: Target) -> Code:
    """A library whose kernels are source that the device compiles when it loads them.

    The code of another device's GPU cannot run here: then only what was lowered is verified, with the schedules for
    this machine. Raises `RunError` for a kernel that no rule of dlight schedules.
    """
    compiler = target.compiler()
    functions, kernels = {}, {}
    for name, function in kernel_functions(lowered).items():
        functions[name], rule, reason = _schedule(name, function, compiler)
        kernels[name] = CompiledKernel(name, rule, b"", reason=reason)
    scheduled = {
        variable: functions.get(str(variable.name_hint), function) for variable, function in lowered.functions_items()
    }
    executable, planned = finalize(tvm.IRModule(scheduled), compiler)
    (host_code,) = executable.mod.imports
    (device_code,) = host_code.imports
    library = link_executable(executable, compiler.host)
    return Code(
        library=Linked.of(library),
        objects=module_objects(host_code, compiler.host),
        kernels=kernels,
        peak_memory_bytes=planned_bytes(planned),
        source=str(device_code.inspect_source()),
        runnable=load_library(library) if target.local else copy_for_host(lowered),
        runs_on=target.device_type if target.local else "cpu",
        verified_on="device" if target.local else VERIFIED_ON,
    )


def _schedule(name: str, function: tirx.PrimFunc, target: tvm.target.Target) -> tuple[tirx.PrimFunc, str, str | None]:
    """A kernel scheduled by the first rule of dlight that takes it, the rule's name, and which rules failed before."""
    rules = [dlight.gpu.Matmul(), dlight.gpu.GEMV(), dlight.gpu.Reduction(), dlight.gpu.GeneralReduction()]
    if _reduction_steps(function) <= _SHORT:
        rules = rules[:1]
    failed: list[str] = []
    for rule in [*rules, dlight.gpu.Fallback()]:
        title = f"dlight {type(rule).__name__}"
        try:
            with reported_as(title):
                made = rule.apply(function, target, False)
        except NotScheduled as reason:
            # A shape that a rule did not foresee is left to the next one.
            failed.append(str(reason))
            continue
        schedule = made[0] if isinstance(made, list) else made
        if schedule is not None:
            return schedule.mod["main"], title, "; ".join(failed) or None
    raise RunError(f"dlight has no schedule for kernel {name}: {'; '.join(failed) or 'no rule matches'}")


def _reduction_steps(function: tirx.PrimFunc) -> int:
    """Steps of a kernel's longest reduction, 1 without any."""
    reductions = [block for block in root_blocks(Schedule(function)) if block.is_reduction]
    return max((prod(block.extents[name] for name in block.reduced) for block in reductions), default=1)
