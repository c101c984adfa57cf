"""Measuring on this machine."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tvm

from bench.errors import UsageError
from bench.targets.latency import Latency, Source
from bench.targets.program import Program
from bench.targets.runners.measure import LoadedProgram, measured_latency
from bench.targets.runners.runner import RunOptions
from bench.targets.threads import use_threads


class LocalRunner:
    """TVM's time evaluator in this process, on the target's threads."""

    name = "local"
    title = "measured on this machine"
    source: Source = "measured"
    predictor: str | None = None
    exclusive = True

    def check(self, options: RunOptions) -> None:
        """Only the host's own code can run here."""
        if not options.target.is_host:
            raise UsageError(f"runner local measures on this machine; {options.target.name} is another")

    def samples(self, program: Program, options: RunOptions) -> tuple[float, ...]:
        """One visit's samples in milliseconds."""
        use_threads(options.threads)
        with _loaded(program) as loaded:
            return loaded.samples(options)

    def finish(self, program: Program, options: RunOptions, samples: tuple[float, ...]) -> Latency:
        """The latency of all visits' samples."""
        threads = use_threads(options.threads)
        with _loaded(program) as loaded:
            return measured_latency(
                loaded,
                program,
                options,
                samples,
                runner=self.name,
                device=platform.node() or "host",
                conditions=conditions() | {"threads read back": str(threads)},
            )

    def run(self, program: Program, options: RunOptions) -> Latency:
        """One visit and its result."""
        return self.finish(program, options, self.samples(program, options))


@contextmanager
def _loaded(program: Program) -> Iterator[LoadedProgram]:
    with tempfile.TemporaryDirectory() as folder:
        library, kernels = Path(folder, "network.so"), Path(folder, "kernels.so")
        library.write_bytes(program.library)
        kernels.write_bytes(program.kernel_library)
        load = tvm.runtime.load_module
        yield LoadedProgram(program, load(str(library)), load(str(kernels)), tvm.cpu())


def conditions() -> dict[str, str]:
    """What Linux tells of the processor's state: governor and frequency, where readable."""
    found = {"processor": platform.processor() or platform.machine()}
    base = Path("/sys/devices/system/cpu/cpu0/cpufreq")
    for label, name in (("governor", "scaling_governor"), ("frequency kHz", "scaling_cur_freq")):
        path = base / name
        if path.is_file():
            found[label] = path.read_text().strip()
    return found
