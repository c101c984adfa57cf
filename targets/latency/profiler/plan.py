"""What the harness is to run: kernels, tensors in one block of memory, and what the caches hold before."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Sequence
from math import prod
from pathlib import Path

import tvm

from blockfront.errors import RunError
from blockfront.targets.compiler.planning import ALIGNMENT
from blockfront.targets.compiler.program import Kernel
from blockfront.targets.latency.profiler.caches import Caches
from blockfront.targets.latency.profiler.counts import Profile
from blockfront.targets.latency.profiler.emulators import Emulator
from blockfront.targets.latency.profiler.native import c_library, harness, link
from blockfront.targets.latency.profiler.quick import quick
from blockfront.targets.latency.profiler.running import run_profiled

# The harness's operations; see native/harness.c.
_FLUSH, _TOUCH, _FILL, _CALL, _DONE = range(5)

Range = tuple[int, int]
"""Where something begins in memory, and its size: bytes."""


class HarnessPlan:
    """Operations for the harness, which runs kernels on `threads` cores."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._symbols: dict[str, int] = {}
        self._memory = 0
        self._words: list[int] = []
        self._profiles = 0
        self._addressed = False

    @property
    def words(self) -> bytes:
        """What the harness reads."""
        return array("q", [self._threads, self._memory, *self._words]).tobytes()

    def flush(self) -> None:
        """Empty the caches, and fill memory with zeros."""
        self._words.append(_FLUSH)

    def touch(self, read: Range, written: Range = (0, 0)) -> None:
        """Leave two ranges in the caches as a kernel does that reads one and writes the other, a part by each core."""
        self._words += [_TOUCH, *read, *written]
        self._memory = max(self._memory, sum(read), sum(written))

    def fill(self, offset: int, contents: bytes) -> None:
        """Write bytes to memory, that say where kernels read or write."""
        self._addressed = True
        words = array("q", contents + bytes(-len(contents) % 8))
        self._words += [_FILL, offset, len(contents), *words]

    def call(self, kernel: Kernel, offsets: Sequence[int]) -> None:
        """Run a kernel on the tensors that begin at `offsets`, in bytes."""
        number = self._symbols.setdefault(kernel.symbol, len(self._symbols))
        self._words += [_CALL, number, len(offsets)]
        for offset, (dtype, shape) in zip(offsets, kernel.arguments, strict=True):
            self._words += [offset, _dlpack(dtype), len(shape), *shape]
            self._memory = max(self._memory, offset + size_of(dtype, shape))

    def done(self) -> None:
        """End a profile: `run` gives one for each."""
        self._words += [_DONE, self._profiles]
        self._profiles += 1

    def kernel_alone(self, kernel: Kernel, pushed_out: int | None = None) -> None:
        """One profile: a kernel as it finds the caches in a network, reading where it reads there.

        Its first input was just written. Since its other inputs were, and something else where its output will be,
        as many bytes were read as its output and weights have: what the kernels between needed. Its
        weights are in memory; or, given how many bytes were used since they were, still in a cache that holds more.
        """
        ranges = lay_out(kernel)
        *inputs, output = [one for i, one in enumerate(ranges) if i not in kernel.constants]
        first, *others = inputs or [(0, 0)]
        weights = [ranges[i] for i in kernel.constants]
        end = sum(ranges[-1])
        self.flush()
        if pushed_out is not None:
            for one in (*weights, (end, pushed_out)):
                self.touch(one)
        for one in (*others, output):
            self.touch((0, 0), one)
        self.touch((end, output[1] + sum(size for _, size in weights)), first)
        for position, contents in kernel.addresses:
            self.fill(ranges[position][0], contents)
        self.call(kernel, [offset for offset, _ in ranges])
        self.done()

    def run(self, emulator: Emulator, caches: Caches, objects: Sequence[bytes]) -> list[Profile]:
        """The profiles; `objects` are the kernels' code. Raises `RunError` when QEMU or the linker fails."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            paths = [folder / f"{i}.o" for i in range(len(objects))]
            for path, code in zip(paths, objects, strict=True):
                path.write_bytes(code if self._addressed else quick(emulator.architecture, code))
            table = " ".join(f"QUAD(__tvm_ffi_{symbol})" for symbol in self._symbols)
            script = folder / "kernels.ld"
            script.write_text(f"SECTIONS {{ .kernels : {{ kernels = .; {table} }} }} INSERT AFTER .rodata;\n")
            program, plan = folder / "harness", folder / "plan"
            parts = [
                "-static",
                "-z",
                "muldefs",
                "-T",
                str(script),
                str(harness(emulator.architecture)),
                *map(str, paths),
            ]
            try:
                link(program, *parts)
            except RunError as error:
                if "undefined symbol" not in str(error):
                    raise
                link(program, *parts, str(c_library(emulator.architecture)))
            plan.write_bytes(self.words)
            found = run_profiled(emulator, caches, [str(program), str(plan)])
        if [number for number, _ in found] != list(range(self._profiles)):
            raise RunError(f"emulation gave {len(found)} of {self._profiles} profiles")
        return [profile for _, profile in found]


def lay_out(kernel: Kernel) -> list[Range]:
    """Where a kernel's tensors begin and how many bytes they have, one after the other.

    The gaps between them grow, so that rows of different tensors do not fall on the same sets of a cache more often
    than by chance.
    """
    ranges, end = [], 0
    for number, (dtype, shape) in enumerate(kernel.arguments):
        size = size_of(dtype, shape)
        ranges.append((end, size))
        end += (-(-size // ALIGNMENT) + 3 * number) * ALIGNMENT
    return ranges


def size_of(dtype: str, shape: Sequence[int]) -> int:
    """Bytes of a tensor."""
    return prod(shape) * tvm.DataType(dtype).itemsize


def _dlpack(dtype: str) -> int:
    """The four bytes of a DLDataType as a number: code, bits, lanes."""
    kind = tvm.DataType(dtype)
    return int(kind.type_code) | int(kind.bits) << 8 | int(kind.lanes) << 16
