"""Kernels of a program, each profiled once a machine."""

from __future__ import annotations

import hashlib

from blockfront.targets.compiler.program import Kernel, Program
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.profiler.caches import caches_of
from blockfront.targets.latency.profiler.counts import Profile
from blockfront.targets.latency.profiler.emulators import find_emulator
from blockfront.targets.latency.profiler.native import harness_version, plugin_version
from blockfront.targets.latency.profiler.plan import HarnessPlan, size_of
from blockfront.targets.latency.profiler.store import ProfileStore


def profile_kernels(program: Program, target: Target) -> dict[str, Profile]:
    """What one execution of each kernel comes to, by its symbol, on as many cores of `target` as the program has.

    A kernel starts with its output and then its input as another kernel would leave them in the caches, and with its
    weights in memory, or in the last level of cache where that holds the whole program. Profiles are kept under the
    hash of the code, the caches, the profiler and what it is told. Raises `UsageError` for a target that cannot be
    profiled, `RunError` when QEMU is missing or fails.
    """
    emulator, caches = find_emulator(target), caches_of(target)
    pushed_out = caches.inner_bytes if _bytes(program) <= caches.last_bytes else None
    setting = [emulator.architecture, emulator.cpu, repr(caches)]
    setting += [plugin_version(emulator.architecture), harness_version()]
    kernels = list({kernel.symbol: kernel for kernel in program.kernels}.values())
    objects = {kernel.symbol: _object(program, kernel) for kernel in kernels}
    keys = {}
    for kernel in kernels:
        plan = HarnessPlan(program.threads)
        plan.kernel_alone(kernel, pushed_out)
        keys[kernel.symbol] = _key(*setting, kernel.symbol, plan.words, objects[kernel.symbol])
    store = ProfileStore("profiles")
    found = {symbol: profile for symbol, key in keys.items() if (profile := store.get(key)) is not None}
    missing = [kernel for kernel in kernels if kernel.symbol not in found]
    if missing:
        plan = HarnessPlan(program.threads)
        for kernel in missing:
            plan.kernel_alone(kernel, pushed_out)
        code = list(dict.fromkeys(objects[kernel.symbol] for kernel in missing))
        for kernel, profile in zip(missing, plan.run(emulator, caches, code), strict=True):
            store.put(keys[kernel.symbol], profile)
            found[kernel.symbol] = profile
    return found


def _bytes(program: Program) -> int:
    """What an inference touches: activations, and the weights of every call."""
    weights = sum(
        kernel.calls * size_of(*kernel.arguments[position])
        for kernel in program.kernels
        for position in kernel.constants
    )
    return program.peak_memory_bytes + weights


def profile_calls(program: Program, target: Target) -> list[Profile]:
    """What each call comes to in the second of two inferences by the whole network, in the memory that TVM planned.

    Nothing of it is kept. Raises as `profile_kernels` does.
    """
    kernels = {kernel.symbol: kernel for kernel in program.kernels}
    plan = HarnessPlan(program.threads)
    for _ in range(2):
        for call in program.plan.calls:
            plan.call(kernels[call.symbol], call.offsets)
            plan.done()
    return plan.run(find_emulator(target), caches_of(target), program.objects)[len(program.plan.calls) :]


def _object(program: Program, kernel: Kernel) -> bytes:
    """The object that has the kernel's code: a linker's symbols stand in it as text."""
    name = b"\0__tvm_ffi_" + kernel.symbol.encode() + b"\0"
    return next(code for code in program.objects if name in code)


def _key(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part if isinstance(part, bytes) else part.encode()).digest())
    return digest.hexdigest()
