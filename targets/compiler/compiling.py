"""torch module to a checked Program: export, lower, schedule, build, link, compare with torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
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
    Output,
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
from blockfront.targets.compiler.kernels import (
    constant_arguments,
    constant_bytes,
    kernel_calls,
    kernel_functions,
    target_text,
)
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


class Recording:
    """What a module does, its samples, and what torch gives for them: what it takes to compile it for any target.

    It holds while `recorded` is open. The last program stays, for another target that has the same code.
    """

    def __init__(self, module: nn.Module, signature: Signature, seed: int, halves: bool) -> None:
        self.module, self.signature, self.halves = module, signature, halves
        trace = export_module(module, signature)
        self.trace = in_float16(trace) if halves else trace
        self.samples = signature.random(seed)
        self.last: tuple[tuple[Machine, str], tvm.IRModule, Program] | None = None
        self._seed = seed
        self._outputs: dict[float, tuple[Output, ...]] = {}

    def outputs(self, floor: float) -> tuple[Output, ...]:
        """See `torch_outputs`."""
        if floor not in self._outputs:
            halved = as_module(self.trace) if self.halves else None
            self._outputs[floor] = torch_outputs(self.module, self.signature, self._seed, floor, halved)
        return self._outputs[floor]


@contextmanager
def recorded(
    module: nn.Module, signature: Signature, *, seed: int | None = None, halves: bool = False
) -> Iterator[Recording]:
    """A module, recorded once to be compiled for several targets; see `compile_model`."""
    with ExitStack() as open_until_then:
        with _failures():
            if seed is not None:
                randomly = random_constants(in_evaluation(module), seed, signature.random(seed))
                open_until_then.enter_context(randomly)
            recording = Recording(module, signature, seed or 0, halves)
        yield recording


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
    with _failures(f"compiling for {target.name} failed: "):
        if halves:
            require_float16(target)
        with recorded(module, signature, seed=seed, halves=halves) as recording:
            program = _compile(recording, target, threads, tuned, alone)
    return _checked(program, recording, target)


def compile_recorded(recording: Recording, target: Target, threads: int | None = None) -> Program:
    """What `compile_model` gives for the recorded module; the last program, where that has the same code."""
    threads = target.check_threads(threads)
    with _failures(f"compiling for {target.name} failed: "):
        program = _compile(recording, target, threads)
    return _checked(program, recording, target)


@contextmanager
def _failures(of: str = "") -> Iterator[None]:
    """Any failure as a `RunError` that begins with `of`."""
    try:
        yield
    except UsageError:
        raise
    except RunError as error:
        raise type(error)(f"{of}{error}") from error
    except (ValueError, RuntimeError, AssertionError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{of}{first_line(error)}") from error


def _compile(
    recording: Recording,
    target: Target,
    threads: int,
    tuned: Mapping[str, str] | None = None,
    alone: bool = False,
) -> Program:
    lowered = lower(recording.trace, target, threads)
    kernels = kernel_functions(lowered)
    if not kernels:
        raise RunError("the module computes nothing from its inputs: there is nothing to compile or to time")
    machine = target.machine(threads)
    like = None if machine is None or target.local or tuned or alone else (machine, target_text(target.compiler()))
    if recording.last is not None and recording.last[0] == like:
        _, before, program = recording.last
        if tvm_ffi.structural_equal(lowered, before, map_free_vars=True):
            return replace(program, target=target.name)
    floor = WINOGRAD_FLOOR if any("winograd" in name for name in kernels) else FLOOR
    outputs = recording.outputs(floor)
    # What cannot fit is not compiled first.
    target.check_room(constant_bytes(lowered["main"]), 0)
    if machine is None:
        code = code_for_gpu(lowered, target)
    else:
        with _kernel_cache(alone) as store:
            code = code_for_processor(lowered, target, machine, tuned, store)
    addresses = Addresses(
        {code.kernels[name].symbol: addressing_arguments(function) for name, function in kernels.items()}
    )
    samples = [sample.numpy() for sample in recording.samples]
    errors = compare_all(outputs, _run(code, samples, addresses))
    program = Program(
        library=code.library,
        objects=code.objects,
        target=target.name,
        threads=threads,
        signature=recording.signature,
        kernels=describe_kernels(lowered, code.kernels, addresses.contents, machine),
        peak_memory_bytes=code.peak_memory_bytes + sum(sample.nbytes for sample in samples),
        samples=tuple(sample.tobytes() for sample in samples),
        outputs=outputs,
        errors=errors,
        verified_on=code.verified_on,
        source=code.source,
        plan=code.plan,
        weights=code.weights if alone else (),
        versions={name: version(name) for name in PACKAGES},
    )
    if like is not None:
        recording.last = like, lowered, program
    return program


def _checked(program: Program, recording: Recording, target: Target) -> Program:
    wrong = disagreement(program.errors, f"compiled for {target.name}")
    if wrong is not None:
        raise RunError(not_itself(recording.module, recording.samples) or wrong)
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
    found = [tensor.numpy() for tensor in (returned if several else [returned])]
    if code.verified_on == "host":
        # A program that is not linked yet holds it, and is not to keep this machine's kernels loaded.
        del machine
        code.runnable.clear_imports()
    return found


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
