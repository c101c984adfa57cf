"""The kernels of networks as things to tune: each once, whatever networks share it, by the time they take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import nn
from tvm import tirx

from blockfront.signature import Signature
from blockfront.targets.compiler.compiling import arguments_of, describe_kernels
from blockfront.targets.compiler.exporting import export_module
from blockfront.targets.compiler.kernel_cache import CompiledKernel, KernelCache
from blockfront.targets.compiler.kernels import compile_kernels, kernel_functions
from blockfront.targets.compiler.linking import link_kernels
from blockfront.targets.compiler.lowering import lower
from blockfront.targets.compiler.program import Arguments, Kernel
from blockfront.targets.hardware.target import Processor
from blockfront.targets.latency.meters.measure import Session, kernel_seconds
from blockfront.targets.latency.statistics import median


@dataclass(frozen=True)
class TuningTask:
    """A kernel to tune: what it computes, how the rules schedule it, and its calls in all networks together."""

    kernel: Kernel
    function: tirx.PrimFunc
    compiled: CompiledKernel

    @property
    def arguments(self) -> Arguments:
        """As a schedule takes them that packs none."""
        return arguments_of(self.function)


def tasks_of(module: nn.Module, signature: Signature, target: Processor, threads: int) -> list[TuningTask]:
    """The kernels of one network, compiled as the rules schedule them."""
    with torch.no_grad():
        lowered = lower(export_module(module, signature), target, threads)
    (compiled,) = compile_kernels(lowered, target.machine(threads), [target.compiler()], KernelCache())
    functions = kernel_functions(lowered)
    return [
        TuningTask(kernel, functions[kernel.name], compiled[kernel.name])
        for kernel in describe_kernels(lowered, compiled, {})
    ]


def merge(tasks: Iterable[TuningTask]) -> list[TuningTask]:
    """Each kernel once, with its calls in all networks added up."""
    merged: dict[str, TuningTask] = {}
    for task in tasks:
        symbol = task.kernel.symbol
        calls = task.kernel.calls + (merged[symbol].kernel.calls if symbol in merged else 0)
        merged[symbol] = replace(merged.get(symbol, task), kernel=replace(task.kernel, calls=calls))
    return list(merged.values())


def by_time(tasks: list[TuningTask], session: Session) -> list[tuple[TuningTask, float]]:
    """The kernels with the milliseconds that all calls of each take on the device, the longest first."""
    library = session.load("kernels.so", link_kernels([task.compiled for task in tasks]))

    def ms(kernel: Kernel) -> float:
        return 1e3 * kernel.calls * median(kernel_seconds(library, kernel.symbol, kernel.arguments, session.device))

    return sorted(((task, ms(task.kernel)) for task in tasks), key=lambda pair: -pair[1])
