"""Running a library where that is possible, and comparing its outputs with torch's."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from blockfront.agreement.outputs import OutputError, compare_all, disagreement
from blockfront.errors import RunError
from blockfront.steps import run_step
from blockfront.targets.compiler.program import Program
from blockfront.targets.hardware.microcontroller import Microcontroller
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.emulation.qemu import installed_qemu
from blockfront.targets.latency.profiler.emulators import emulated_cpu
from blockfront.targets.latency.profiler.native import ARCHITECTURES, compile_freestanding, link
from blockfront.targets.library.detecting import Detecting
from blockfront.targets.library.firmware import SOURCES, emulates, run_example
from blockfront.targets.library.interface import Interface
from blockfront.targets.library.making import Library

LIMIT_S = 600
"""Seconds that an inference may take under emulation."""

_HERE = """
import ctypes, mmap, sys
library, function, workspace, inputs, *tensors = sys.argv[1:]
sizes, files = map(int, tensors[::2]), tensors[1::2]
memory = [mmap.mmap(-1, size + 1) for size in (*sizes, int(workspace))]
tensors = list(zip(files, memory))
for file, at in tensors[: int(inputs)]:
    at[:-1] = open(file, "rb").read()
addresses = [ctypes.addressof(ctypes.c_char.from_buffer(at)) for at in memory]
if error := getattr(ctypes.CDLL(library), function)(*map(ctypes.c_void_p, addresses)):
    sys.exit(f"the network gave {error}")
for file, at in tensors[int(inputs) :]:
    open(file, "wb").write(at[:-1])
"""


class Ran(NamedTuple):
    """Where a library ran, how far each output was from torch's, and what instructions an inference took if counted."""

    where: str
    errors: tuple[OutputError, ...]
    instructions: int | None = None


def run_library(library: Library, program: Program, target: Target, folder: Path) -> Ran | None:
    """Run the library in `folder` on the program's samples.

    The shared library runs here, the archive under a QEMU that is installed; None where neither can be. Each function
    of a detector's runs on the samples of its own program, and all of them as one must give what they give one after
    the other. Raises `RunError` when it fails or an output is further from torch's than it may be.
    """
    calling = Calling(library, target, folder)
    if calling.where is None:
        return None
    last = calling.call(library.interface, program.samples)
    errors = calling.compare(last, program)
    if (detecting := library.detecting) is not None:
        for step, its in zip(detecting.steps, detecting.programs.steps.values(), strict=True):
            errors += calling.compare(calling.call(step, its.samples), its)
        last = calling.check_whole(detecting, program.samples)
    return Ran(calling.where, errors, last.instructions)


class Called(NamedTuple):
    """What a function gave, and its instructions if they were counted."""

    outputs: list[np.ndarray]
    instructions: int | None = None


@dataclass(frozen=True)
class Calling:
    """A library's functions, where they can be called: on this machine, or under a QEMU that is installed."""

    library: Library
    target: Target
    folder: Path

    @cached_property
    def _qemu(self) -> Any:
        return installed_qemu(self.target.architecture) if self.target.architecture in ARCHITECTURES else None

    @property
    def where(self) -> str | None:
        """In words; None where they cannot be called."""
        if self.target.local:
            return "on this machine"
        if isinstance(self.target, Microcontroller):
            there = emulates(self.target, self.library.flash_bytes, self.library.ram_bytes)
        else:
            there = self._qemu is not None
        return "under QEMU" if there else None

    def compare(self, called: Called, program: Program) -> tuple[OutputError, ...]:
        """How far what a function gave on its program's samples is from torch's."""
        errors = compare_all(program.outputs, called.outputs)
        wrong = disagreement(errors, f"of the C library {self.where}")
        if wrong is not None:
            raise RunError(wrong)
        return errors

    def check_whole(self, detecting: Detecting, images: Sequence[bytes]) -> Called:
        """All of it by one call; raises `RunError` where that gives something else than its steps do."""
        given = dict(zip((one.name for one in detecting.run.inputs), images, strict=True))
        for step in (detecting.run, *detecting.steps):
            outputs = self.call(step, [given[one.name] for one in step.inputs]).outputs
            given |= {one.name: found.tobytes() for one, found in zip(step.outputs, outputs, strict=True)}
        called = self.call(detecting.interface, images)
        whole = {one.name: found for one, found in zip(detecting.interface.outputs, called.outputs, strict=True)}
        count = int(whole.pop("count")[0])
        boxes = next(iter(whole.values()))
        if any(found.tobytes() != given[name] for name, found in whole.items()) or count != (boxes[0, :, 0] >= 0).sum():
            raise RunError(f"{detecting.interface.symbol} {self.where} gives something else than its steps do")
        return called

    def call(self, interface: Interface, inputs: Sequence[bytes]) -> Called:
        """A function on these inputs."""
        with tempfile.TemporaryDirectory() as temporary:
            work, first = Path(temporary), len(interface.inputs)
            files = [work / f"{one.name}.bin" for one in interface.tensors]
            for path, content in zip(files[:first], inputs, strict=True):
                path.write_bytes(content)
            instructions = None
            if isinstance(self.target, Microcontroller):
                instructions = run_example(interface, self.target, self.folder, work, LIMIT_S)
            else:
                run_step("running the C library", *self._command(interface, work, files), limit_s=LIMIT_S)
            read = zip(files[first:], interface.outputs, strict=True)
            return Called([np.fromfile(path, one.dtype).reshape(one.shape) for path, one in read], instructions)

    def _command(self, interface: Interface, work: Path, files: Sequence[Path]) -> list[str]:
        workspace = self._workspace(interface)
        if not self.target.local:
            check = _build_check(interface, workspace, self.target, self.folder, work)
            return [*self._qemu.as_cpu(emulated_cpu(self.target, self._qemu)), str(check), *map(str, files)]
        told = [f"{word}" for one, path in zip(interface.tensors, files, strict=True) for word in (one.bytes, path)]
        shared = str(self.folder.resolve() / f"lib{interface.name}.so")
        inputs = str(len(interface.inputs))
        return [sys.executable, "-c", _HERE, shared, interface.symbol, str(workspace), inputs, *told]

    def _workspace(self, interface: Interface) -> int:
        detecting = self.library.detecting
        whole = detecting is not None and interface == detecting.interface
        return detecting.whole_workspace_bytes if detecting and whole else self.library.workspace_bytes


def _build_check(interface: Interface, workspace: int, target: Target, folder: Path, work: Path) -> Path:
    tensors = interface.tensors
    arguments = ", ".join(f"(void *)tensors[{i}]" for i in range(len(tensors)))
    (work / "tensors.h").write_text(
        f'#include "{interface.name}.h"\n'
        f"enum {{ INPUTS = {len(interface.inputs)}, OUTPUTS = {len(interface.outputs)} }};\n"
        f"enum {{ WORKSPACE_BYTES = {workspace} }};\n"
        f"static const long sizes[] = {{{', '.join(str(one.bytes) for one in tensors)}}};\n"
        "static int run(char **tensors, void *workspace) {\n"
        f"  return {interface.symbol}({arguments}, workspace);\n"
        "}\n"
    )
    program, main = work / "check", work / "check.o"
    compile_freestanding(SOURCES / "check.c", main, target.architecture, f"-I{work}", f"-I{folder.resolve()}")
    link(program, "-static", str(main), str(folder / f"lib{interface.name}.a"))
    return program
