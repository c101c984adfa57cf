"""A device's own peaks: multiply-adds in registers, and a stream through memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import tvm
from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as build

from blockfront.results.latency import Peak
from blockfront.targets.compiler.building import lower_kernel, object_code
from blockfront.targets.compiler.kernel_cache import CompiledKernel
from blockfront.targets.compiler.linking import link_kernels
from blockfront.targets.hardware.machine import Machine
from blockfront.targets.hardware.target import Target

_STEPS = 100_000
_ARRAY_BYTES = 256 * 1024**2
_REPEATS = 10
# So small that the values stay what they are.
_FACTOR = 1e-12


@dataclass(frozen=True)
class Update:
    """A micro-kernel: each tile of float32[tiles, accumulators, lanes] is held in registers for `steps` steps.

    In a step each accumulator in turn gets its right neighbour times a factor added, the last one the first. Many
    steps on few values are bound by arithmetic, one step on many by memory: the two ends of the roofline as the
    Empirical Roofline Tool finds them (Lo et al., PMBS 2014).
    """

    tiles: int
    accumulators: int
    lanes: int
    steps: int = 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the values."""
        return self.tiles, self.accumulators, self.lanes

    @property
    def operations(self) -> int:
        """Floating-point operations of one execution: a multiply-add is two."""
        return 2 * prod(self.shape) * self.steps

    @property
    def bytes(self) -> int:
        """Bytes one execution moves: every value is read once and written once."""
        return 2 * np.dtype("float32").itemsize * prod(self.shape)

    def function(self) -> tirx.PrimFunc:
        """(values, float32[lanes] of the factor); tiles in parallel."""
        with IRBuilder() as builder, build.prim_func(s_tir=True):
            build.func_attr({"tirx.noalias": True})
            values = build.arg("values", build.buffer(self.shape, "float32"))
            factor = build.arg("factor", build.buffer((self.lanes,), "float32"))
            with build.parallel(0, self.tiles) as tile:
                registers = [build.alloc_buffer((self.lanes,), scope="local") for _ in range(self.accumulators)]
                for i, register in enumerate(registers):
                    with build.vectorized(0, self.lanes) as lane:
                        build.buffer_store(register, values[tile, i, lane], [lane])
                with build.serial(0, self.steps):
                    for register, neighbour in zip(registers, registers[1:] + registers[:1], strict=True):
                        with build.vectorized(0, self.lanes) as lane:
                            build.buffer_store(register, register[lane] + neighbour[lane] * factor[lane], [lane])
                for i, register in enumerate(registers):
                    with build.vectorized(0, self.lanes) as lane:
                        build.buffer_store(values, register[lane], [tile, i, lane])
        return builder.get()


def in_registers(machine: Machine) -> Update:
    """A tile for each thread that fills the registers: enough accumulators to hide a multiply-add's latency."""
    return Update(machine.threads, machine.registers - 4, machine.lanes, _STEPS)


def through_memory(machine: Machine, memory_bytes: int = 0) -> Update:
    """One step on an array of 256 MiB, or of a quarter of a device's memory where that is less."""
    array_bytes = min(_ARRAY_BYTES, memory_bytes // 4 or _ARRAY_BYTES)
    tile = replace(in_registers(machine), tiles=1, steps=1)
    return replace(tile, tiles=2 * array_bytes // tile.bytes)


def compile_update(update: Update, symbol: str, target: Target) -> CompiledKernel:
    """The micro-kernel's object code under `symbol`."""
    return CompiledKernel(symbol, None, object_code(lower_kernel(update.function(), symbol), target.compiler()))


def measure_peak(
    load: Callable[[str, bytes], Any], device: Any, target: Target, machine: Machine, memory_bytes: int = 0
) -> Peak:
    """The best of a few executions each on `device`, whose thread pool has the threads of `machine`; half a second.

    `load` puts a library on the device under a file name; `memory_bytes` is what is free there, 0 when unknown.
    """
    arithmetic, stream = in_registers(machine), through_memory(machine, memory_bytes)
    kernels = [compile_update(arithmetic, "arithmetic", target), compile_update(stream, "stream", target)]
    library = load("peak.so", link_kernels(kernels))
    factor = tvm.runtime.tensor(np.full(stream.lanes, _FACTOR, "float32"), device)

    def best_seconds(symbol: str, values: tvm.runtime.Tensor) -> float:
        timer = library.time_evaluator(symbol, device, number=1, repeat=_REPEATS)
        return float(min(timer(values, factor).results))

    ones = tvm.runtime.tensor(np.ones(arithmetic.shape, "float32"), device)
    # Too much to send to a board, and nothing to set: the system hands out so large a piece as zeros.
    array = tvm.runtime.empty(stream.shape, "float32", device)
    return Peak(
        source="measured",
        gflops=arithmetic.operations / best_seconds("arithmetic", ones) / 1e9,
        gbs=stream.bytes / best_seconds("stream", array) / 1e9,
    )
