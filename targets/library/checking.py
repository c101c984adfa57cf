"""Running a library's example where that is possible, and comparing its outputs with torch's."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from blockfront.errors import RunError
from blockfront.targets.compiler.outputs import OutputError, compare_all, disagreement
from blockfront.targets.compiler.program import Program
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.emulation.qemu import installed_qemu
from blockfront.targets.latency.emulation.steps import run_step
from blockfront.targets.latency.profiler.emulators import emulated_cpu
from blockfront.targets.latency.profiler.native import compile_c
from blockfront.targets.library.making import Library

LIMIT_S = 600
"""Seconds that an inference may take under emulation."""


def run_library(
    library: Library, program: Program, target: Target, folder: Path
) -> tuple[str, tuple[OutputError, ...]] | None:
    """Build the example in `folder` and run it on the program's samples: where it ran, and each output's error.

    It runs here, or under a QEMU that is installed; None where neither can be. Raises `RunError` when it fails or an
    output is further from torch's than it may be.
    """
    command: list[str] = []
    if not target.local:
        architecture = "arm" if target.architecture == "armv7l" else target.architecture
        qemu = installed_qemu(architecture)
        if qemu is None:
            return None
        command = qemu.as_cpu(emulated_cpu(target, qemu))
    interface = library.interface
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        example = work / "example"
        # A static program needs nothing of the target's system.
        compile_c(
            folder / "example.c",
            example,
            *("-target", library.triple.replace("gnu", "musl"), "-static", "-O2", "-DRUNS=1"),
            *(str(folder / f"lib{interface.name}.a"), "-lm", "-lpthread"),
        )
        files = [work / f"{i}.bin" for i in range(len(interface.inputs) + len(interface.outputs))]
        for path, sample in zip(files, program.samples, strict=False):
            path.write_bytes(sample)
        run_step("running the library's example", *command, str(example), *map(str, files), limit_s=LIMIT_S)
        read = zip(files[len(interface.inputs) :], interface.outputs, strict=True)
        errors = compare_all(
            program.outputs, [np.fromfile(path, one.dtype).reshape(one.shape) for path, one in read]
        )
    where = "on this machine" if target.local else "under QEMU"
    wrong = disagreement(errors, f"of the C library {where}")
    if wrong is not None:
        raise RunError(wrong)
    return where, errors
