"""Programs' memory and calls as the tables that the library's C goes through."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
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
    `scratch` is what kernels of the whole library take for themselves, on the thread that calls and on each further
    one.
    """

    addresses: dict[int, tuple[int, int]]
    activations: int
    weights: int
    scratch: tuple[int, int]
    threads: int

    @classmethod
    def of_all(cls, programs: Sequence[Program]) -> tuple[LibraryLayout, ...]:
        """The layouts of the programs of one library, which has one memory for what its kernels take."""
        kernels = [kernel for program in programs for kernel in program.kernels]
        scratch = [max(sizes) for sizes in zip(*(kernel.scratch_bytes for kernel in kernels), strict=True)]
        return tuple(cls._of(program, (scratch[0], scratch[1])) for program in programs)

    @classmethod
    def _of(cls, program: Program, scratch: tuple[int, int]) -> LibraryLayout:
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
        return cls(addresses, ends[0], ends[1], scratch, program.threads)

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


def plan_source(
    programs: Sequence[Program],
    layouts: Sequence[LibraryLayout],
    interfaces: Sequence[Interface],
    weights: str,
    more: str = "",
) -> str:
    """`plan.h` of a library's programs; `weights` is the path of their file, `more` the C of further functions."""
    shapes: dict[tuple[int, ...], int] = {}
    tables = [
        text
        for program, layout, interface in zip(programs, layouts, interfaces, strict=True)
        for text in _tables(program, layout, interface, shapes)
    ]
    scratch = layouts[0].scratch
    constants = {
        "ALIGNMENT": ALIGNMENT,
        "THREADS": programs[0].threads,
        "SCRATCH_BYTES": scratch[0],
        "FURTHER_SCRATCH_BYTES": 0 if programs[0].threads == 1 else scratch[1],
        "MAX_ARGUMENTS": max(len(call.offsets) for program in programs for call in program.plan.calls),
    }
    symbols = dict.fromkeys(call.symbol for program in programs for call in program.plan.calls)
    starts = accumulate((layout.weights for layout in layouts), initial=0)
    return "\n".join(
        [
            *(f"#define {name} {value}" for name, value in constants.items()),
            *(f"extern kernel __tvm_ffi_{symbol};" for symbol in symbols),
            _table("int64_t", "shapes", (str(extent) for shape in shapes for extent in shape or (1,))),
            *tables,
            '__asm__(".section .rodata.weights,\\"a\\",%progbits\\n"',
            f'".balign {PLACED}\\nweights: .incbin \\"{weights}\\"\\n.text\\n");',
            'extern const char weights[] __attribute__((visibility("hidden")));',
            *(_function(interface, start) for interface, start in zip(interfaces, starts, strict=False)),
            more,
        ]
    )


def visible(declaration: str) -> str:
    """The beginning of a function that users of a library call."""
    return f'__attribute__((visibility("default"))) {declaration} {{'


def _tables(
    program: Program, layout: LibraryLayout, interface: Interface, shapes: dict[tuple[int, ...], int]
) -> list[str]:
    """The plan of one function, in order of need; `shapes` gets those of its arguments."""
    kernels = {kernel.symbol: kernel for kernel in program.kernels}
    first_output = _TENSORS + len(interface.inputs)
    arguments = []
    for call in program.plan.calls:
        for offset, (dtype, shape) in zip(call.offsets, kernels[call.symbol].arguments, strict=True):
            base, begin = layout.address(offset)
            index = shapes.setdefault(shape, sum(max(1, len(known)) for known in shapes))
            arguments.append(f"{{{base}, {len(shape)}, {index}, {begin}u, {_dlpack(dtype)}u}}")
    calls = [f"{{__tvm_ffi_{call.symbol}, {len(call.offsets)}}}" for call in program.plan.calls]
    copies = [
        f"{{{first_output + number}, {base}, {begin}u, {_bytes(output.dtype, output.shape)}u}}"
        for number, (output, offset) in enumerate(zip(program.outputs, program.plan.outputs, strict=True))
        for base, begin in [layout.address(offset)]
        if base != first_output + number
    ]
    own = interface.function
    sizes = f"{len(calls)}, {len(copies)}, {layout.activations}"
    return [
        _table("argument", f"{own}_arguments", arguments),
        _table("call", f"{own}_calls", calls),
        _table("copy", f"{own}_copies", copies or ["{0, 0, 0, 0}"]),
        f"static const plan {own}_plan = {{{own}_arguments, {own}_calls, {own}_copies, {sizes}}};",
    ]


def _function(interface: Interface, weights: int) -> str:
    """What users call: a plan on their tensors, with the weights that begin there."""
    tensors = ", ".join(f"(char *){tensor.name}" for tensor in (*interface.inputs, *interface.outputs))
    return "\n".join(
        [
            visible(interface.declaration),
            f"  char *const bases[] = {{workspace, (char *)weights + {weights}, {tensors}}};",
            f"  return run(&{interface.function}_plan, bases, sizeof bases / sizeof *bases);",
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
