"""Micro-kernels compiled, run and timed on a device."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import tvm

from blockfront.signature import Signature
from blockfront.targets.compiler.building import lower_kernel, object_code
from blockfront.targets.compiler.linking import Linked
from blockfront.targets.compiler.program import Kernel, Program
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.calibration.microkernels import MicroKernel
from blockfront.targets.latency.meters.measure import Session

_SAMPLE_MS = 2


def build_program(kernels: Sequence[MicroKernel], target: Target, threads: int) -> Program:
    """The micro-kernels as kernels of a program without a network: each can be called, and profiled, by its symbol."""
    described = []
    loops = tvm.IRModule()
    for i, kernel in enumerate(kernels):
        symbol = f"micro_{i}"
        loops.update(lower_kernel(kernel.function(), symbol))
        loops.update(lower_kernel(kernel.preparation(), _preparing(symbol)))
        described.append(Kernel(kernel.name, symbol, 1, 0, kernel.bytes, kernel.arguments, "micro"))
    return Program(
        library=Linked.of(b""),
        objects=(object_code(loops, target.compiler()),),
        target=target.name,
        threads=threads,
        signature=Signature(()),
        kernels=tuple(described),
        peak_memory_bytes=max(kernel.bytes for kernel in kernels),
        verified_on="device",
        versions={"apache-tvm": version("apache-tvm")},
    )


def time_kernels(
    program: Program, session: Session, repeats: int, advance: Callable[[], None]
) -> dict[str, tuple[float, ...]]:
    """Milliseconds of one execution of each kernel, `repeats` times in as many rounds, each in another order."""
    library = session.load("micro.so", program.kernel_library)
    times: dict[str, list[float]] = {kernel.name: [] for kernel in program.kernels}
    order = random.Random(0)
    for _ in range(repeats):
        for kernel in order.sample(program.kernels, len(program.kernels)):
            times[kernel.name].append(_time(library, kernel, session.device))
            advance()
    return {name: tuple(found) for name, found in times.items()}


def _time(library: Any, kernel: Kernel, device: Any) -> float:
    tensors = [tvm.runtime.empty(shape, dtype, device) for dtype, shape in kernel.arguments]
    library[_preparing(kernel.symbol)](*tensors)
    timer = library.time_evaluator(kernel.symbol, device, number=1, repeat=1, min_repeat_ms=_SAMPLE_MS)
    return 1e3 * float(timer(*tensors).results[0])


def _preparing(symbol: str) -> str:
    return f"{symbol}_prepare"
