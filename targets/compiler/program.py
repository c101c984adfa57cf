"""A network compiled for a target, ready to be sent to a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from blockfront.agreement.outputs import Output, OutputError, worst
from blockfront.signature import Signature
from blockfront.targets.compiler.addresses import Contents
from blockfront.targets.compiler.linking import Linked, link_objects
from blockfront.targets.compiler.planning import MemoryPlan

Arguments = tuple[tuple[str, tuple[int, ...]], ...]
"""(dtype, shape) of each argument of a kernel, outputs last."""

TUNED = "tuned"
"""The rule of a kernel whose schedule was searched for instead."""


@dataclass(frozen=True)
class Kernel:
    """One fused, scheduled function of a network.

    `name` says what was fused and numbers kernels within their network; `symbol` is the kernel's own everywhere.
    `calls`: executions in one inference; `macs` and `bytes` of one execution, bytes being every tensor read and
    written once; `arguments`: (dtype, shape) of each, outputs last, `constants` the positions of weights among them;
    `rule`: the schedule's name, None when no rule covered it; `reason`: why none did, or which of dlight's rules failed
    before the one that did; `code_bytes`: the size of its machine code; `scratch_bytes`: what it takes for itself while
    it runs, on the thread that calls it and on each further one; `addresses`: arguments that say where others are read
    or written, and what they held when the network ran on its samples; `products`: how many of its multiply-adds the
    processor's units do in the time of one of float32.
    """

    name: str
    symbol: str
    calls: int
    macs: int
    bytes: int
    arguments: Arguments
    rule: str | None
    constants: tuple[int, ...] = ()
    reason: str | None = None
    addresses: Contents = ()
    code_bytes: int = 0
    scratch_bytes: tuple[int, int] = (0, 0)
    products: int = 1


@dataclass(frozen=True)
class Program:
    """A shared library for `target`, with what was checked and counted when it was made.

    `library` is an ELF file that holds kernels, weights and call order, `objects` hold the kernels alone.
    `samples` are the bytes of one tensor for each input of the `signature`, `outputs` what torch gives for them, and
    `errors` how far each was from that; `verified_on` is "device" when the library itself ran here, "host" when it
    cannot and the same schedules were compiled for and run on this machine instead; for the GPU of a board it is this
    machine's own schedules that ran. `source` holds the kernels of a GPU in CUDA C or OpenCL C, which the device
    compiles when it loads them; otherwise it is empty. `plan` has the kernels in the order a processor runs them, each
    on its part of the planned memory; `weights` lie at its places for them, where a program was asked to keep them.
    """

    library: Linked
    objects: tuple[bytes, ...]
    target: str
    threads: int
    signature: Signature
    kernels: tuple[Kernel, ...]
    peak_memory_bytes: int
    verified_on: str
    samples: tuple[bytes, ...] = ()
    outputs: tuple[Output, ...] = ()
    errors: tuple[OutputError, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    plan: MemoryPlan = field(default_factory=MemoryPlan)
    weights: tuple[np.ndarray, ...] = ()

    @cached_property
    def kernel_library(self) -> bytes:
        """An ELF file of the kernels alone, linked when it is asked for: only measuring calls them one by one."""
        return link_objects(self.objects)

    @property
    def inputs(self) -> list[np.ndarray]:
        """The samples as arrays."""
        pairs = zip(self.samples, self.signature.inputs, strict=True)
        return [np.frombuffer(sample, one.dtype).reshape(one.shape) for sample, one in pairs]

    @property
    def max_abs_error(self) -> float:
        """The largest of all outputs' absolute errors."""
        return worst(self.errors)[0]

    @property
    def max_rel_error(self) -> float:
        """The largest of all outputs' relative errors."""
        return worst(self.errors)[1]

    @property
    def torch_rel_error(self) -> float | None:
        """The largest of what torch's own outputs in float32 are off by; None where it does not compute in float64."""
        return worst(self.errors)[2]

    @property
    def flash_bytes(self) -> int | None:
        """Bytes of the kernels' code, each once, and of all weights; None of a GPU's."""
        code = {kernel.symbol: kernel.code_bytes for kernel in self.kernels}
        return sum(code.values()) + self.plan.bytes("weights") if self.plan.calls else None

    @property
    def ram_bytes(self) -> int | None:
        """Bytes that an inference takes: inputs, outputs and activations, and a kernel for itself; None of a GPU's."""
        scratch = ((here, (self.threads - 1) * further) for here, further in (k.scratch_bytes for k in self.kernels))
        return self.peak_memory_bytes + sum(map(max, zip(*scratch, strict=True))) if self.plan.calls else None

    @property
    def unscheduled_kernels(self) -> tuple[str, ...]:
        """Names of kernels that no rule covered: their time says nothing about the network."""
        return tuple(kernel.name for kernel in self.kernels if kernel.rule is None)

    @property
    def tuned_kernels(self) -> tuple[str, ...]:
        """Names of kernels whose schedule is from a tuning database."""
        return tuple(kernel.name for kernel in self.kernels if kernel.rule == TUNED)
