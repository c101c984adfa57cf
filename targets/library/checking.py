"""Running a library where that is possible, and comparing its outputs with torch's."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from blockfront.agreement.outputs import OutputError, compare_all, disagreement
from blockfront.errors import RunError
from blockfront.steps import run_step
from blockfront.targets.compiler.program import Program
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.emulation.qemu import installed_qemu
from blockfront.targets.latency.profiler.emulators import emulated_cpu
from blockfront.targets.latency.profiler.native import ARCHITECTURES, compile_freestanding, link
from blockfront.targets.library.detecting import Detecting
from blockfront.targets.library.interface import Interface
from blockfront.targets.library.making import SOURCES, Library

LIMIT_S = 600
"""Seconds that an inference may take under emulation."""

_HERE = """
import ctypes, mmap, sys
library, function, workspace, *tensors = sys.argv[1:]
sizes, files = map(int, tensors[::2]), tensors[1::2]
memory = [mmap.mmap(-1, size + 1) for size in (*sizes, int(workspace))]
for file, at in zip(files, memory):
    if file.endswith(".in"):
        at[:-1] = open(file, "rb").read()
addresses = [ctypes.addressof(ctypes.c_char.from_buffer(at)) for at in memory]
if error := getattr(ctypes.CDLL(library), function)(*map(ctypes.c_void_p, addresses)):
    sys.exit(f"the network gave {error}")
for file, at in zip(files, memory):
    if file.endswith(".out"):
        open(file, "wb").write(at[:-1])
"""


def run_library(
    library: Library, program: Program, target: Target, folder: Path
) -> tuple[str, tuple[OutputError, ...]] | None:
    """Run the library in `folder` on the program's samples: where it ran, and how far each output is from torch's.

    The shared library runs here, the archive under a QEMU that is installed; None where neither can be. Each function
    of a detector's runs on the samples of its own program, and all of them as one must give what they give one after
    the other. Raises `RunError` when it fails or an output is further from torch's than it may be.
    """
    calling = Calling(library, target, folder)
    if calling.where is None:
        return None
    errors = calling.compare(library.interface, program)
    if library.detecting is not None:
        errors += calling.compare(library.detecting.decode, library.detecting.programs.decode)
        errors += calling.compare(library.detecting.suppress, library.detecting.programs.suppress)
        calling.check_whole(library.detecting, program.samples)
    return calling.where, errors


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
        return None if self._qemu is None else "under QEMU"

    def compare(self, interface: Interface, program: Program) -> tuple[OutputError, ...]:
        """How far a function's outputs on its program's samples are from torch's."""
        errors = compare_all(program.outputs, self.call(interface, program.samples))
        wrong = disagreement(errors, f"of the C library {self.where}")
        if wrong is not None:
            raise RunError(wrong)
        return errors

    def check_whole(self, detecting: Detecting, images: Sequence[bytes]) -> None:
        """Raise `RunError` where one call gives other boxes than its steps do."""
        given: Sequence[bytes] = images
        for step in (detecting.run, detecting.decode, detecting.suppress):
            given = [one.tobytes() for one in self.call(step, given)]
        found, count = self.call(detecting.interface, images)
        if found.tobytes() != given[0] or count[0] != (found[0, :, 0] >= 0).sum():
            raise RunError(f"{detecting.interface.symbol} {self.where} gives other boxes than its steps do")

    def call(self, interface: Interface, inputs: Sequence[bytes]) -> list[np.ndarray]:
        """A function's outputs."""
        with tempfile.TemporaryDirectory() as temporary:
            work, first = Path(temporary), len(interface.inputs)
            files = [work / f"{i}.{'in' if i < first else 'out'}" for i in range(len(interface.tensors))]
            for path, content in zip(files[:first], inputs, strict=True):
                path.write_bytes(content)
            workspace = self._workspace(interface)
            if self.target.local:
                told = [
                    f"{word}" for one, path in zip(interface.tensors, files, strict=True) for word in (one.bytes, path)
                ]
                shared = str(self.folder.resolve() / f"lib{interface.name}.so")
                command = [sys.executable, "-c", _HERE, shared, interface.symbol, str(workspace), *told]
            else:
                check = _build_check(interface, workspace, self.target, self.folder, work)
                command = [*self._qemu.as_cpu(emulated_cpu(self.target, self._qemu)), str(check), *map(str, files)]
            run_step("running the C library", *command, limit_s=LIMIT_S)
            read = zip(files[first:], interface.outputs, strict=True)
            return [np.fromfile(path, one.dtype).reshape(one.shape) for path, one in read]

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
