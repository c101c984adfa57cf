"""A network compiled for a target, ready to be sent to a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Kernel:
    """One fused, scheduled function of a network.

    `name` says what was fused and numbers kernels within their network; `symbol` is the kernel's own everywhere.
    `calls`: executions in one inference; `macs` and `bytes` of one execution, bytes being every tensor read and
    written once; `arguments`: (dtype, shape) of each, outputs last; `rule`: the schedule's name, None when no rule
    covered it.
    """

    name: str
    symbol: str
    calls: int
    macs: int
    bytes: int
    arguments: tuple[tuple[str, tuple[int, ...]], ...]
    rule: str | None


@dataclass(frozen=True)
class Program:
    """A shared library for `target`, with what was checked and counted when it was made.

    `library` is an ELF file that holds kernels, weights and call order, `kernel_library` the kernels alone.
    `max_abs_error` and `max_rel_error` compare its output on `sample` with torch's `expected`; `verified_on` is
    "device" when the library itself ran here, "host" when it cannot and the same schedules were compiled for and
    run on this machine instead.
    """

    library: bytes
    kernel_library: bytes
    target: str
    threads: int
    resolution: int
    kernels: tuple[Kernel, ...]
    peak_memory_bytes: int
    max_abs_error: float
    max_rel_error: float
    verified_on: str
    sample: bytes
    expected: tuple[float, ...]
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def unscheduled_kernels(self) -> tuple[str, ...]:
        """Names of kernels that no rule covered: their time says nothing about the network."""
        return tuple(kernel.name for kernel in self.kernels if kernel.rule is None)
