"""Small kernels, each of which spends its time on one thing: what a core's coefficients are measured with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as build

from blockfront.targets.compiler.program import Arguments
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.calibration import loops

FLOAT_BYTES = 4
LINE_BYTES = 64
_EXECUTION_BYTES = 4 * 1024**2
_MEMORY_BYTES = 64 * 1024**2
_STEPS = 20_000
_STREAMS = 16
_DEGREE = 6


@dataclass(frozen=True)
class MicroKernel:
    """The name says what it spends its time on; its arguments are float32 of `shapes`, the output last."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    write: Callable[..., None]

    @property
    def arguments(self) -> Arguments:
        """(dtype, shape) of each argument."""
        return tuple(("float32", shape) for shape in self.shapes)

    @property
    def bytes(self) -> int:
        """Of all arguments."""
        return FLOAT_BYTES * sum(prod(shape) for shape in self.shapes)

    def function(self) -> tirx.PrimFunc:
        """The kernel in TIR, with nothing left to schedule."""
        return _function(self.shapes, self.write)

    def preparation(self) -> tirx.PrimFunc:
        """What gives all arguments their values: on the device, because they are too much to be sent there."""
        return _function(self.shapes, loops.small_numbers)


def micro_kernels(target: Target) -> list[MicroKernel]:
    """Those for one core of `target`: for the width and number of its vectors and the sizes of its caches.

    One execution touches about the same number of bytes whatever the array, so that none is too short to be timed.
    """
    lanes, registers = target.simd_bits // 32, target.vector_registers
    held = registers - 4
    steps = (
        ("multiply-adds", loops.multiply_add),
        ("maxima", loops.maximum),
    )
    made = [
        MicroKernel(name, ((held, lanes), (lanes,), (held, lanes)), loops.repeat_in_registers(_STEPS, step))
        for name, step in steps
    ]
    made.append(MicroKernel("integers", ((1,),), loops.integers(_STEPS)))
    # Too few sums to keep the units busy while each waits for its last.
    made.append(_tile(2, 2, lanes, "L1", target.l1_bytes // 2))
    tiles = [(4, 3), (2, 4), (1, 8)] if registers <= 16 else [(6, 4), (3, 6), (1, 12)]
    # Chains: vectors wait for nothing of each other, but a core sees only so many of them at once.
    made += [_polynomial(steps, lanes, target.l1_bytes // 2) for steps in (8, 16, 32, 64)]
    for where, size in array_sizes(target).items():
        made += [_tile(rows, columns, lanes, where, size) for rows, columns in tiles]
        made += _through(lanes, where, size)
    return made


def array_sizes(target: Target) -> dict[str, int]:
    """Bytes that stay in each cache with room to spare, and bytes that stay in none."""
    found = {"L1": target.l1_bytes // 2, "L2": target.l2_bytes // 2}
    if target.l3_bytes:
        found["L3"] = max(2 * target.l2_bytes, target.l3_bytes // 4)
    return found | {"memory": max(_MEMORY_BYTES, 3 * target.l3_bytes)}


def parallel_start(threads: int) -> MicroKernel:
    """A parallel region whose tasks do next to nothing."""
    shape = threads, LINE_BYTES // FLOAT_BYTES
    return MicroKernel("parallel region", (shape,), loops.start_in_parallel)


def parallel_copy(target: Target, threads: int) -> MicroKernel:
    """A copy through memory by all threads: how the bandwidth of the cores together is measured."""
    lanes = target.simd_bits // 32
    shape = threads, array_sizes(target)["memory"] // 2 // FLOAT_BYTES // lanes // threads, lanes
    return MicroKernel("parallel copy", (shape, shape), loops.copy_in_parallel)


def _function(shapes: Sequence[tuple[int, ...]], write: Callable[..., None]) -> tirx.PrimFunc:
    with IRBuilder() as builder, build.prim_func(s_tir=True):
        build.func_attr({"tirx.noalias": True})
        write(*(build.arg(f"a{i}", build.buffer(shape, "float32")) for i, shape in enumerate(shapes)))
    return builder.get()


def _tile(rows: int, columns: int, lanes: int, where: str, size: int) -> MicroKernel:
    """A tile of a matrix product: its accumulators stay in registers, its operands come from `where`."""
    depth = max(1, size // FLOAT_BYTES // (columns * lanes + rows))
    return MicroKernel(
        f"tile {rows} × {columns}, {where}",
        ((depth, rows), (depth, columns, lanes), (rows, columns, lanes)),
        loops.tile(_rounds(size)),
    )


def _polynomial(steps: int, lanes: int, size: int) -> MicroKernel:
    """A chain of multiply-adds for each vector."""
    half = size // 2 // FLOAT_BYTES // lanes, lanes
    write = loops.polynomial(max(1, _rounds(size) // steps), steps)
    return MicroKernel(f"polynomial {steps}, L1", ((_DEGREE, 1), half, half), write)


def _through(lanes: int, where: str, size: int) -> list[MicroKernel]:
    """What goes through arrays of `size` bytes in all."""
    floats, rounds = size // FLOAT_BYTES, _rounds(size)
    one, half, vectors = (floats // lanes, lanes), (floats // 2 // lanes, lanes), (1, lanes)
    streams = floats // 2 // _STREAMS
    lines = 2 ** (size // LINE_BYTES).bit_length() // 2
    made = [
        MicroKernel(f"sum, {where}", (one, (8, lanes)), loops.total(rounds)),
        MicroKernel(f"fill, {where}", (vectors, one), loops.fill(rounds)),
        MicroKernel(f"rectified, {where}", (vectors, half, half), loops.rectified(rounds)),
        MicroKernel(
            f"quotient, {where}",
            ((_DEGREE, 1), half, half),
            loops.quotient(rounds),
        ),
        MicroKernel(f"window, {where}", ((9, lanes), half, half), loops.window(rounds)),
        MicroKernel(
            f"transposition, {where}",
            ((streams, _STREAMS), (_STREAMS, streams)),
            loops.transposition(rounds),
        ),
    ]
    if where == "L1":
        return made
    return made + [
        MicroKernel(
            f"lines {run}, {where}",
            ((lines, LINE_BYTES // FLOAT_BYTES), (1, min(lanes, 16))),
            loops.lines(run, max(1, _EXECUTION_BYTES // LINE_BYTES // run // 2)),
        )
        for run in (1, 4)
    ]


def _rounds(size: int) -> int:
    return max(1, _EXECUTION_BYTES // size)
