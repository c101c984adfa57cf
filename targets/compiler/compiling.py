"""torch module to a checked Program: export, lower, schedule, build, link, compare with torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from importlib.metadata import version
from math import prod

import numpy as np
import torch
import tvm
from torch import nn
from tvm import relax, tirx

from blockfront.errors import RunError, first_line
from blockfront.targets.compiler.code import Code
from blockfront.targets.compiler.exporting import export_module
from blockfront.targets.compiler.gpu import code_for_gpu
from blockfront.targets.compiler.kernel_cache import CompiledKernel
from blockfront.targets.compiler.kernels import constant_arguments, kernel_calls, kernel_functions
from blockfront.targets.compiler.lowering import lower
from blockfront.targets.compiler.processor import code_for_processor
from blockfront.targets.compiler.program import Arguments, Kernel, Program
from blockfront.targets.compiler.randomize import random_statistics
from blockfront.targets.compiler.schedules import kernel_macs
from blockfront.targets.compiler.threads import use_threads
from blockfront.targets.hardware.target import Target

TOLERANCE = 1e-4
_PACKAGES = ("apache-tvm", "torch", "timm")


def compile_model(
    module: nn.Module,
    resolution: int,
    target: Target,
    *,
    threads: int | None = None,
    seed: int | None = None,
    tuned: Mapping[str, str] | None = None,
) -> Program:
    """Compile `module` for (1, 3, resolution, resolution) float32 images on `threads` cores of `target`, or its GPU.

    With a `seed`, the module has random normalisation statistics and scales meanwhile: a freshly initialised
    network hides errors behind zeros and ones. It is left in evaluation mode. `tuned`: see `RunOptions`. Raises
    `RunError` when a step fails or the output differs from torch's by more than 1e-4 of its largest value.
    """
    threads = target.check_threads(threads)
    statistics = nullcontext() if seed is None else random_statistics(module, seed)
    sample = torch.randn(1, 3, resolution, resolution, generator=torch.Generator().manual_seed(seed or 0))
    try:
        with statistics:
            with torch.no_grad():
                reference = module.eval()(sample)
            trace = export_module(module, resolution)
            expected = reference.numpy()
            lowered = lower(trace, target, threads)
            if target.is_gpu:
                code = code_for_gpu(lowered, target)
            else:
                code = code_for_processor(lowered, target, threads, tuned)
            output = _run(code, sample.numpy())
    except (ValueError, RuntimeError, AssertionError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"compiling for {target.name} failed: {first_line(error)}") from error
    absolute, relative = compare(output, expected)
    if not relative <= TOLERANCE:
        raise RunError(
            f"compiled output for {target.name} differs from torch: relative error {relative:.1e} > {TOLERANCE}"
        )
    return Program(
        library=code.library,
        objects=code.objects,
        target=target.name,
        threads=threads,
        resolution=resolution,
        kernels=describe_kernels(lowered, code.kernels),
        peak_memory_bytes=code.peak_memory_bytes + sample.numpy().nbytes,
        max_abs_error=absolute,
        max_rel_error=relative,
        verified_on=code.verified_on,
        source=code.source,
        calls=code.calls,
        sample=sample.numpy().tobytes(),
        expected=tuple(float(value) for value in expected.ravel()),
        versions={name: version(name) for name in _PACKAGES},
    )


def compare(output: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """max|y - y_torch|, and that over max|y_torch|."""
    absolute = float(np.abs(output - expected).max())
    return absolute, absolute / max(float(np.abs(expected).max()), 1e-30)


def _run(code: Code, sample: np.ndarray) -> np.ndarray:
    use_threads(1)
    device = tvm.device(code.runs_on)
    return relax.VirtualMachine(code.runnable, device)["main"](tvm.runtime.tensor(sample, device)).numpy()


def describe_kernels(module: tvm.IRModule, compiled: Mapping[str, CompiledKernel]) -> tuple[Kernel, ...]:
    """What is known of each kernel of a lowered module, as it was compiled."""
    calls = Counter(str(call.args[0].name_hint) for call in kernel_calls(module["main"]))
    constants = constant_arguments(module["main"])
    kernels = []
    for name, function in kernel_functions(module).items():
        arguments = arguments_of(function)
        kernels.append(
            Kernel(
                name=name,
                symbol=compiled[name].symbol,
                calls=calls[name],
                macs=kernel_macs(function),
                bytes=sum(np.dtype(dtype).itemsize * prod(shape) for dtype, shape in arguments),
                arguments=_as_passed(arguments, compiled[name].packed),
                constants=tuple(constants[name]),
                rule=compiled[name].rule,
                reason=compiled[name].reason,
            )
        )
    return tuple(kernels)


def arguments_of(function: tirx.PrimFunc) -> Arguments:
    """The arguments of a kernel before its schedule packs any."""
    return tuple((str(p.ty.dtype), tuple(int(extent) for extent in p.ty.shape)) for p in function.params)


def _as_passed(arguments: Arguments, packed: tuple[tuple[int, int], ...]) -> Arguments:
    columns = dict(packed)
    return tuple(
        (dtype, (shape[-1] // columns[i], *shape[:-1], columns[i]) if i in columns else shape)
        for i, (dtype, shape) in enumerate(arguments)
    )
