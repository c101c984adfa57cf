"""A program's memory and calls as the tables that the library's C goes through."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import tvm

from blockfront.targets.compiler.planning import ALIGNMENT as PLACED
from blockfront.targets.compiler.program import Program
from blockfront.targets.library.interface import ALIGNMENT, Interface

_WORKSPACE, _WEIGHTS, _TENSORS = range(3)


@dataclass(frozen=True)
class LibraryLayout:
    """Where everything lies: an address for each place of a program's plan, and what memory that takes, in bytes.

    An address is the number of a base (the workspace, the weights, the inputs, the outputs) and an offset from it.
    `scratch` is what kernels take for themselves, on the thread that calls and on each further one.
    """

    addresses: dict[int, tuple[int, int]]
    activations: int
    weights: int
    scratch: tuple[int, int]
    threads: int

    @classmethod
    def of(cls, program: Program) -> LibraryLayout:
        """The layout of a program: its outputs where the caller wants them, all else in the workspace."""
        plan, inputs = program.plan, len(program.signature.inputs)
        ends = [0, 0]
        addresses, read = {}, 0
        for place in plan.places:
            if place.kind == "input":
                addresses[place.offset] = (_TENSORS + read, 0)
                read += 1
            elif place.kind == "output" and place.offset in plan.outputs:
                addresses[place.offset] = (_TENSORS + inputs + plan.outputs.index(place.offset), 0)
            else:
                base = _WEIGHTS if place.kind == "weights" else _WORKSPACE
                addresses[place.offset] = (base, ends[base])
                ends[base] += -(-place.bytes // PLACED) * PLACED
        scratch = [max(sizes) for sizes in zip(*(kernel.scratch_bytes for kernel in program.kernels), strict=True)]
        return cls(addresses, ends[0], ends[1], (scratch[0], scratch[1]), program.threads)

    @property
    def workspace(self) -> int:
        """Bytes that the caller gives; C has no tensors of none."""
        return max(self.activations + self.scratch[0] + (self.threads - 1) * self.scratch[1], PLACED)

    def address(self, offset: int) -> tuple[int, int]:
        """Where what the plan has at `offset` lies."""
        starts = list(self.addresses)
        start = starts[bisect_right(starts, offset) - 1]
        base, begin = self.addresses[start]
        return base, begin + offset - start


def weights_bytes(weights: Sequence[np.ndarray]) -> bytes:
    """All weights as they lie in memory."""
    parts = (weight.tobytes() for weight in weights)
    return b"".join(part.ljust(-(-len(part) // PLACED) * PLACED, b"\0") for part in parts)


def plan_source(program: Program, layout: LibraryLayout, interface: Interface, weights: str) -> str:
    """`plan.h` of a program; `weights` is the path of their file."""
    kernels = {kernel.symbol: kernel for kernel in program.kernels}
    shapes: dict[tuple[int, ...], int] = {}
    arguments = []
    for call in program.plan.calls:
        for offset, (dtype, shape) in zip(call.offsets, kernels[call.symbol].arguments, strict=True):
            base, begin = layout.address(offset)
            index = shapes.setdefault(shape, sum(map(len, shapes)))
            arguments.append(f"{{{base}, {len(shape)}, {index}, {begin}u, {_dlpack(dtype)}u}}")
    symbols = dict.fromkeys(f"__tvm_ffi_{call.symbol}" for call in program.plan.calls)
    calls = [f"{{__tvm_ffi_{call.symbol}, {len(call.offsets)}}}" for call in program.plan.calls]
    copies = [
        f"{{{_TENSORS + len(interface.inputs) + number}, {base}, {begin}u, {_bytes(output.dtype, output.shape)}u}}"
        for number, (output, offset) in enumerate(zip(program.outputs, program.plan.outputs, strict=True))
        for base, begin in [layout.address(offset)]
        if base != _TENSORS + len(interface.inputs) + number
    ]
    tensors = [f"(char *){tensor.name}" for tensor in (*interface.inputs, *interface.outputs)]
    alone = program.threads == 1
    constants = {
        "ALIGNMENT": ALIGNMENT,
        "THREADS": program.threads,
        "SCRATCH_OFFSET": layout.activations,
        "SCRATCH_BYTES": layout.scratch[0],
        "FURTHER_SCRATCH_BYTES": 0 if alone else layout.scratch[1],
        "MAX_ARGUMENTS": max(len(call.offsets) for call in program.plan.calls),
        "COPIES": len(copies),
    }
    return "\n".join(
        [
            *(f"#define {name} {value}" for name, value in constants.items()),
            *(f"extern kernel {symbol};" for symbol in symbols),
            _table("int64_t", "shapes", (str(extent) for shape in shapes for extent in shape or (1,))),
            _table("argument", "arguments", arguments),
            _table("call", "calls", calls),
            _table("copy", "copies", copies or ["{0, 0, 0, 0}"]),
            '__asm__(".section .rodata.weights,\\"a\\",%progbits\\n"',
            f'".balign {PLACED}\\nweights: .incbin \\"{weights}\\"\\n.text\\n");',
            'extern const char weights[] __attribute__((visibility("hidden")));',
            f'__attribute__((visibility("default"))) {interface.declaration} {{',
            f"  char *const bases[] = {{workspace, (char *)weights, {', '.join(tensors)}}};",
            "  return run(bases, sizeof bases / sizeof *bases);",
            "}\n",
        ]
    )


def _table(kind: str, name: str, entries: Iterable[str]) -> str:
    return f"static const {kind} {name}[] = {{\n" + ",\n".join(entries) + "\n};"


def _dlpack(dtype: str) -> int:
    """The four bytes of a DLDataType as a number: code, bits, lanes."""
    kind = tvm.DataType(dtype)
    return int(kind.type_code) | int(kind.bits) << 8 | int(kind.lanes) << 16


def _bytes(dtype: str, shape: Sequence[int]) -> int:
    return prod(shape) * np.dtype(dtype).itemsize
