"""torch module to a checked Program: export, lower, schedule, build, link, compare with torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tvm
import tvm_ffi
from torch import nn
from tvm import relax, tirx

from blockfront.agreement.outputs import (
    FLOOR,
    WINOGRAD_FLOOR,
    compare_all,
    disagreement,
    not_itself,
    torch_outputs,
)
from blockfront.errors import RunError, UsageError, first_line
from blockfront.evaluation import in_evaluation
from blockfront.signature import Signature
from blockfront.targets.compiler.addresses import Addresses, Contents, addressing_arguments
from blockfront.targets.compiler.code import Code
from blockfront.targets.compiler.exporting import export_module
from blockfront.targets.compiler.gpu import code_for_gpu
from blockfront.targets.compiler.halving import as_module, in_float16
from blockfront.targets.compiler.kernel_cache import CompiledKernel, KernelCache
from blockfront.targets.compiler.kernels import constant_arguments, constant_bytes, kernel_calls, kernel_functions
from blockfront.targets.compiler.lowering import lower
from blockfront.targets.compiler.processor import code_for_processor
from blockfront.targets.compiler.program import Arguments, Kernel, Program
from blockfront.targets.compiler.randomize import random_constants
from blockfront.targets.compiler.schedules import kernel_macs
from blockfront.targets.compiler.threads import use_threads
from blockfront.targets.hardware.halves import require_float16
from blockfront.targets.hardware.machine import Machine
from blockfront.targets.hardware.target import Target

PACKAGES = ("apache-tvm", "torch", "timm")
"""What can change a program; each says its version."""


def compile_model(
    module: nn.Module,
    signature: Signature,
    target: Target,
    *,
    threads: int | None = None,
    seed: int | None = None,
    tuned: Mapping[str, str] | None = None,
    alone: bool = False,
    halves: bool = False,
) -> Program:
    """Compile `module` for inputs of `signature` on `threads` cores of `target`, or its GPU.

    The module may return one tensor, or tuples, lists and dicts of them, nested as it likes; it is left in evaluation
    mode. With a `seed`, whatever is constant in it has random values meanwhile (`randomize_constants`): a freshly
    initialised network hides errors behind zeros and ones. `tuned`: see `RunOptions`. `alone`: keep the weights, and
    compile anew all kernels, so that the objects hold no kernel of another network. `halves`: in float16 inside, and
    compared with torch's float16 as well. Raises `RunError` when a step
    fails, one of the outputs differs from torch's by more than it may (`torch_outputs`), none depends on the inputs, or
    the target has not the memory.
    """
    threads = target.check_threads(threads)
    samples = signature.random(seed or 0)
    constants = nullcontext() if seed is None else random_constants(in_evaluation(module), seed, samples)
    try:
        with constants:
            trace = export_module(module, signature)
            if halves:
                require_float16(target)
                trace = in_float16(trace)
            lowered = lower(trace, target, threads)
            kernels = kernel_functions(lowered)
            if not kernels:
                raise RunError("the module computes nothing from its inputs: there is nothing to compile or to time")
            floor = WINOGRAD_FLOOR if any("winograd" in name for name in kernels) else FLOOR
            outputs = torch_outputs(module, signature, seed or 0, floor, as_module(trace) if halves else None)
            # What cannot fit is not compiled first.
            target.check_room(constant_bytes(lowered["main"]), 0)
            machine = target.machine(threads)
            if machine is None:
                code = code_for_gpu(lowered, target)
            else:
                with _kernel_cache(alone) as store:
                    code = code_for_processor(lowered, target, machine, tuned, store)
            addresses = Addresses(
                {code.kernels[name].symbol: addressing_arguments(function) for name, function in kernels.items()}
            )
            errors = compare_all(outputs, _run(code, [sample.numpy() for sample in samples], addresses))
    except UsageError:
        raise
    except RunError as error:
        raise type(error)(f"compiling for {target.name} failed: {error}") from error
    except (ValueError, RuntimeError, AssertionError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"compiling for {target.name} failed: {first_line(error)}") from error
    wrong = disagreement(errors, f"compiled for {target.name}")
    if wrong is not None:
        raise RunError(not_itself(module, samples) or wrong)
    program = Program(
        library=code.library,
        objects=code.objects,
        target=target.name,
        threads=threads,
        signature=signature,
        kernels=describe_kernels(lowered, code.kernels, addresses.contents, machine),
        peak_memory_bytes=code.peak_memory_bytes + sum(sample.numpy().nbytes for sample in samples),
        samples=tuple(sample.numpy().tobytes() for sample in samples),
        outputs=outputs,
        errors=errors,
        verified_on=code.verified_on,
        source=code.source,
        plan=code.plan,
        weights=code.weights if alone else (),
        versions={name: version(name) for name in PACKAGES},
    )
    if program.flash_bytes is not None and program.ram_bytes is not None:
        target.check_room(program.flash_bytes, program.ram_bytes)
    return program


@contextmanager
def _kernel_cache(empty: bool) -> Iterator[KernelCache]:
    if not empty:
        yield KernelCache()
        return
    with TemporaryDirectory() as folder:
        yield KernelCache(Path(folder))


def _run(code: Code, samples: Sequence[np.ndarray], addresses: Addresses) -> list[np.ndarray]:
    use_threads(1)
    device = tvm.device(code.runs_on)
    inputs = [tvm.runtime.tensor(sample, device) for sample in samples]
    machine = relax.VirtualMachine(code.runnable, device)
    addresses.watch(machine)
    returned = machine["main"](*inputs)
    several = isinstance(returned, tvm_ffi.Array)
    return [tensor.numpy() for tensor in (returned if several else [returned])]


def describe_kernels(
    module: tvm.IRModule,
    compiled: Mapping[str, CompiledKernel],
    addresses: Mapping[str, Contents],
    machine: Machine | None = None,
) -> tuple[Kernel, ...]:
    """What is known of each kernel of a lowered module, as it was compiled for `machine`; `addresses` are by symbol."""
    calls = Counter(str(call.args[0].name_hint) for call in kernel_calls(module["main"]))
    constants = constant_arguments(module["main"])
    kernels = []
    for name, function in kernel_functions(module).items():
        arguments = arguments_of(function)
        dtypes = {dtype for dtype, _ in arguments}
        products = 2 if "float16" in dtypes else machine.products if machine and dtypes & {"int8", "uint8"} else 1
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
                addresses=addresses.get(compiled[name].symbol, ()),
                code_bytes=compiled[name].code_bytes,
                scratch_bytes=compiled[name].scratch_bytes,
                products=products,
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
