"""The loops of micro-kernels: each function gives what writes one as TIR, for buffers of any shape it fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from tvm.script.ir_builder import tirx as build

LoopWriter = Callable[..., None]

# A generator of full period modulo a power of two (Knuth, The Art of Computer Programming, volume 2, 3.3.4, table 1).
_MULTIPLIER, _INCREMENT = 1664525, 1013904223
_HIGH_BITS = 8
_SMALL = 1e-12
_SHIFTS = ((1, 3, 10), (2, 5, 15), (5, 9, 7), (6, 21, 7), (13, 17, 5))


def multiply_add(value: Any, neighbour: Any, factor: Any) -> Any:
    """A vector made of itself, another and a factor."""
    return value + neighbour * factor


def maximum(value: Any, neighbour: Any, factor: Any) -> Any:
    """The same with an instruction that multiplies nothing."""
    return build.max(value, neighbour) + factor


def repeat_in_registers(steps: int, step: Callable[[Any, Any, Any], Any]) -> LoopWriter:
    """(values [n, lanes], factor [lanes], out [n, lanes]): each vector becomes `step` of its neighbour."""

    def write(values: Any, factor: Any, out: Any) -> None:
        count, lanes = _extents(values)
        registers = _registers(count, lanes)
        for i, register in enumerate(registers):
            _copy(register, [], values, [i], lanes)
        with build.serial(0, steps):
            for register, neighbour in zip(registers, registers[1:] + registers[:1], strict=True):
                with build.vectorized(0, lanes) as lane:
                    build.buffer_store(register, step(register[lane], neighbour[lane], factor[lane]), [lane])
        for i, register in enumerate(registers):
            _copy(out, [i], register, [], lanes)

    return write


def integers(steps: int) -> LoopWriter:
    """(out [1]): some generators of numbers at a time, by shifts (Marsaglia, Xorshift RNGs, 2003)."""

    def write(out: Any) -> None:
        states = [build.alloc_buffer((1,), "uint32", scope="local") for _ in _SHIFTS]
        for i, state in enumerate(states):
            build.buffer_store(state, build.uint32(i + 1), [0])
        with build.serial(0, steps):
            for state, (left, right, last) in zip(states, _SHIFTS, strict=True):
                build.buffer_store(state, state[0] ^ build.shift_left(state[0], build.uint32(left)), [0])
                build.buffer_store(state, state[0] ^ build.shift_right(state[0], build.uint32(right)), [0])
                build.buffer_store(state, state[0] ^ build.shift_left(state[0], build.uint32(last)), [0])
        for state in states[1:]:
            build.buffer_store(states[0], states[0][0] ^ state[0], [0])
        build.buffer_store(out, build.cast(states[0][0], "float32"), [0])

    return write


def tile(rounds: int) -> LoopWriter:
    """(a [depth, rows], b [depth, columns, lanes], out [rows, columns, lanes]): out is aᵀ × b, `rounds` times over."""

    def write(a: Any, b: Any, out: Any) -> None:
        depth, columns, lanes = _extents(b)
        cells = [(row, column) for row in range(_extents(a)[1]) for column in range(columns)]
        sums = dict(zip(cells, _zeros(len(cells), lanes), strict=True))
        with build.serial(0, rounds), build.serial(0, depth) as k:
            for (row, column), register in sums.items():
                with build.vectorized(0, lanes) as lane:
                    product = a[k, row] * b[k, column, lane]
                    build.buffer_store(register, register[lane] + product, [lane])
        for (row, column), register in sums.items():
            _copy(out, [row, column], register, [], lanes)

    return write


def total(rounds: int) -> LoopWriter:
    """(values [n, lanes], out [8, lanes]): eight sums of vectors."""

    def write(values: Any, out: Any) -> None:
        count, lanes = _extents(values)
        sums = _zeros(8, lanes)
        with build.serial(0, rounds), build.serial(0, count // 8) as i:
            for j, register in enumerate(sums):
                with build.vectorized(0, lanes) as lane:
                    build.buffer_store(register, register[lane] + values[i * 8 + j, lane], [lane])
        for j, register in enumerate(sums):
            _copy(out, [j], register, [], lanes)

    return write


def fill(rounds: int) -> LoopWriter:
    """(value [1, lanes], out [n, lanes]): the value everywhere."""

    def write(value: Any, out: Any) -> None:
        count, lanes = _extents(out)
        with build.serial(0, rounds), build.serial(0, count) as i:
            _copy(out, [i], value, [0], lanes)

    return write


def rectified(rounds: int) -> LoopWriter:
    """(bias [1, lanes], values [n, lanes], out [n, lanes]): max(values + bias, 0)."""

    def write(bias: Any, values: Any, out: Any) -> None:
        count, lanes = _extents(values)
        with (
            build.serial(0, rounds),
            build.serial(0, count) as i,
            build.vectorized(0, lanes) as lane,
        ):
            build.buffer_store(out, build.max(values[i, lane] + bias[0, lane], build.float32(0)), [i, lane])

    return write


def quotient(rounds: int) -> LoopWriter:
    """(coefficients [n, 1], values [m, lanes], out [m, lanes]): of two polynomials by Horner's rule, clipped before."""

    def write(coefficients: Any, values: Any, out: Any) -> None:
        (degree, _), (count, lanes) = _extents(coefficients), _extents(values)
        with build.serial(0, rounds), build.serial(0, count) as i, build.vectorized(0, lanes) as lane:
            x = build.max(build.min(values[i, lane], build.float32(4)), build.float32(-4))
            above = below = coefficients[0, 0]
            for j in range(1, degree):
                above = above * x + coefficients[j, 0]
                below = below * x + coefficients[degree - 1 - j, 0]
            build.buffer_store(out, above / (below + build.float32(1)), [i, lane])

    return write


def polynomial(rounds: int, steps: int) -> LoopWriter:
    """(coefficients [n, 1], values [m, lanes], out [m, lanes]): `steps` of Horner's rule, each on the one before."""

    def write(coefficients: Any, values: Any, out: Any) -> None:
        (degree, _), (count, lanes) = _extents(coefficients), _extents(values)
        with build.serial(0, rounds), build.serial(0, count) as i, build.vectorized(0, lanes) as lane:
            found = x = values[i, lane]
            for step in range(steps):
                found = found * x + coefficients[step % degree, 0]
            build.buffer_store(out, found, [i, lane])

    return write


def window(rounds: int) -> LoopWriter:
    """(weights [taps, lanes], values [n, lanes], out [n, lanes]): at each place the weighted sum of the next `taps`."""

    def write(weights: Any, values: Any, out: Any) -> None:
        count, lanes = _extents(values)
        taps = _extents(weights)[0]
        (register,) = _registers(1, lanes)
        with build.serial(0, rounds), build.serial(0, count - taps) as i:
            with build.vectorized(0, lanes) as lane:
                build.buffer_store(register, build.float32(0), [lane])
            for tap in range(taps):
                with build.vectorized(0, lanes) as lane:
                    product = values[i + tap, lane] * weights[tap, lane]
                    build.buffer_store(register, register[lane] + product, [lane])
            _copy(out, [i], register, [], lanes)

    return write


def transposition(rounds: int) -> LoopWriter:
    """(values [n, streams], out [streams, n]): number by number."""

    def write(values: Any, out: Any) -> None:
        count, streams = _extents(values)
        with build.serial(0, rounds), build.serial(0, count) as i, build.serial(0, streams) as j:
            build.buffer_store(out, values[i, j], [j, i])

    return write


def lines(run: int, steps: int) -> LoopWriter:
    """(values [2ⁿ, numbers a line], out [1, lanes]): sums of the beginnings of `run` lines in a row, `steps` times.

    Where a row begins is no secret to the core: it follows from the one before, not from what was loaded.
    """

    def write(values: Any, out: Any) -> None:
        count, lanes = _extents(values)[0], _extents(out)[1]
        sums = _zeros(run, lanes)
        state = build.alloc_buffer((1,), "int32", scope="local")
        build.buffer_store(state, build.int32(1), [0])
        with build.serial(0, steps):
            build.buffer_store(state, state[0] * _MULTIPLIER + _INCREMENT, [0])
            # The lower bits of such a generator have short periods.
            first = build.bitwise_and(build.shift_right(state[0], build.int32(_HIGH_BITS)), count - 1 - (run - 1))
            for i, register in enumerate(sums):
                with build.vectorized(0, lanes) as lane:
                    build.buffer_store(register, register[lane] + values[first + i, lane], [lane])
        for register in sums[1:]:
            with build.vectorized(0, lanes) as lane:
                build.buffer_store(sums[0], sums[0][lane] + register[lane], [lane])
        _copy(out, [0], sums[0], [], lanes)

    return write


def small_numbers(*buffers: Any) -> None:
    """(any buffers): numbers so small that sums and products of them stay what floats can hold."""
    for buffer in buffers:
        with ExitStack() as stack:
            index = [stack.enter_context(build.serial(0, extent)) for extent in _extents(buffer)]
            build.buffer_store(buffer, build.float32(_SMALL), index)


def start_in_parallel(out: Any) -> None:
    """(out [threads, numbers a line]): each thread writes one number."""
    with build.parallel(0, _extents(out)[0]) as task:
        build.buffer_store(out, build.float32(1), [task, 0])


def copy_in_parallel(values: Any, out: Any) -> None:
    """(values [threads, n, lanes], out the same)."""
    threads, count, lanes = _extents(values)
    with build.parallel(0, threads) as task, build.serial(0, count) as i:
        _copy(out, [task, i], values, [task, i], lanes)


def _copy(to: Any, to_index: Sequence[Any], source: Any, index: Sequence[Any], lanes: int) -> None:
    with build.vectorized(0, lanes) as lane:
        build.buffer_store(to, source[(*index, lane)], [*to_index, lane])


def _zeros(count: int, lanes: int) -> list[Any]:
    registers = _registers(count, lanes)
    for register in registers:
        with build.vectorized(0, lanes) as lane:
            build.buffer_store(register, build.float32(0), [lane])
    return registers


def _registers(count: int, lanes: int) -> list[Any]:
    return [build.alloc_buffer((lanes,), scope="local") for _ in range(count)]


def _extents(buffer: Any) -> list[int]:
    return [int(extent) for extent in buffer.shape]
