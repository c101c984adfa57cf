"""Running a library where that is possible, and comparing its outputs with torch's."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from blockfront.agreement.outputs import OutputError, compare_all, disagreement
from blockfront.errors import RunError
from blockfront.steps import run_step
from blockfront.targets.compiler.program import Program
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.emulation.qemu import installed_qemu
from blockfront.targets.latency.profiler.emulators import emulated_cpu
from blockfront.targets.latency.profiler.native import ARCHITECTURES, compile_freestanding, link
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

    The shared library runs here, the archive under a QEMU that is installed; None where neither can be. Raises
    `RunError` when it fails or an output is further from torch's than it may be.
    """
    tensors = (*library.interface.inputs, *library.interface.outputs)
    inputs = len(library.interface.inputs)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        files = [work / f"{i}.{'in' if i < inputs else 'out'}" for i in range(len(tensors))]
        for path, sample in zip(files[:inputs], program.samples, strict=True):
            path.write_bytes(sample)
        if target.local:
            where = "on this machine"
            told = [f"{word}" for one, path in zip(tensors, files, strict=True) for word in (one.bytes, path)]
            name = library.interface.name
            start = [sys.executable, "-c", _HERE, str(folder.resolve() / f"lib{name}.so"), f"{name}_run"]
            command = [*start, str(library.workspace_bytes), *told]
        else:
            where = "under QEMU"
            qemu = installed_qemu(target.architecture)
            if qemu is None or target.architecture not in ARCHITECTURES:
                return None
            check = _build_check(library, target, folder, work)
            command = [*qemu.as_cpu(emulated_cpu(target, qemu)), str(check), *map(str, files)]
        run_step("running the C library", *command, limit_s=LIMIT_S)
        read = zip(files[inputs:], library.interface.outputs, strict=True)
        errors = compare_all(program.outputs, [np.fromfile(path, one.dtype).reshape(one.shape) for path, one in read])
    wrong = disagreement(errors, f"of the C library {where}")
    if wrong is not None:
        raise RunError(wrong)
    return where, errors


def _build_check(library: Library, target: Target, folder: Path, work: Path) -> Path:
    interface = library.interface
    tensors = (*interface.inputs, *interface.outputs)
    arguments = ", ".join(f"(void *)tensors[{i}]" for i in range(len(tensors)))
    (work / "tensors.h").write_text(
        f'#include "{interface.name}.h"\n'
        f"enum {{ INPUTS = {len(interface.inputs)}, OUTPUTS = {len(interface.outputs)} }};\n"
        f"enum {{ WORKSPACE_BYTES = {interface.name.upper()}_WORKSPACE_BYTES }};\n"
        f"static const long sizes[] = {{{', '.join(str(one.bytes) for one in tensors)}}};\n"
        "static int run(char **tensors, void *workspace) {\n"
        f"  return {interface.name}_run({arguments}, workspace);\n"
        "}\n"
    )
    program, main = work / "check", work / "check.o"
    compile_freestanding(SOURCES / "check.c", main, target.architecture, f"-I{work}", f"-I{folder.resolve()}")
    link(program, "-static", str(main), str(folder / f"lib{interface.name}.a"))
    return program
