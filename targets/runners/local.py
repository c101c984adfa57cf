"""Measuring on this machine."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tvm

from bench.errors import UsageError
from bench.targets.program import Program
from bench.targets.runners.measure import LoadedProgram, MeasuringRunner, Session
from bench.targets.runners.runner import RunOptions
from bench.targets.threads import use_threads


class LocalRunner(MeasuringRunner):
    """TVM's time evaluator in this process, on the target's threads."""

    name = "local"
    title = "measured on this machine"

    def check(self, options: RunOptions) -> None:
        """Only the host's own code can run here."""
        if not options.target.is_host:
            raise UsageError(f"runner local measures on this machine; {options.target.name} is another")

    @contextmanager
    def session(self, program: Program, options: RunOptions) -> Iterator[Session]:
        """Load the program from a temporary folder."""
        threads = use_threads(options.threads)
        with tempfile.TemporaryDirectory() as folder:
            library, kernels = Path(folder, "network.so"), Path(folder, "kernels.so")
            library.write_bytes(program.library)
            kernels.write_bytes(program.kernel_library)
            load = tvm.runtime.load_module
            yield Session(
                LoadedProgram(program, load(str(library)), load(str(kernels)), tvm.cpu()),
                device=platform.node() or "host",
                conditions=conditions() | {"threads read back": str(threads)},
            )


def conditions() -> dict[str, str]:
    """What Linux tells of the processor's state: governor and frequency, where readable."""
    found = {"processor": platform.processor() or platform.machine()}
    base = Path("/sys/devices/system/cpu/cpu0/cpufreq")
    for label, name in (("governor", "scaling_governor"), ("frequency kHz", "scaling_cur_freq")):
        path = base / name
        if path.is_file():
            found[label] = path.read_text().strip()
    return found
