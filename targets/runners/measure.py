"""Timing a loaded program on a device, here or at the other end of an RPC session."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import tvm
from tvm import relax

from bench.errors import RunError
from bench.targets.compiling import TOLERANCE, compare
from bench.targets.latency import Latency, Peak, Source
from bench.targets.program import Arguments, Kernel, Program
from bench.targets.runners.peak import measure_peak
from bench.targets.runners.roofline import kernel_times
from bench.targets.runners.runner import RunOptions
from bench.targets.statistics import median, median_interval

_WARM_UP = 3
_KERNEL_MS = 3


@dataclass(frozen=True)
class Session:
    """A device in our hands: how to `load` a library there, and what is to be recorded of it.

    A file name given to `load` again would pull the library loaded before from under its functions.
    """

    device: Any
    load: Callable[[str, bytes], Any]
    name: str
    conditions: dict[str, str]


class LoadedProgram:
    """A program in a virtual machine on a session's device, its output compared with torch's."""

    def __init__(self, program: Program, session: Session) -> None:
        shape = (1, 3, program.resolution, program.resolution)
        self._device = session.device
        self._kernels = session.load("kernels.so", program.kernel_library)
        self._machine = relax.VirtualMachine(session.load("network.so", program.library), self._device)
        sample = np.frombuffer(program.sample, dtype="float32").reshape(shape)
        self._machine.set_input("main", tvm.runtime.tensor(sample, self._device))
        self._machine.invoke_stateful("main")
        output = self._machine.get_outputs("main").numpy()
        expected = np.asarray(program.expected, dtype="float32").reshape(output.shape)
        self.max_abs_error, self.max_rel_error = compare(output, expected)
        if not self.max_rel_error <= TOLERANCE:
            raise RunError(
                f"output on the device differs from torch: relative error {self.max_rel_error:.1e} > {TOLERANCE}"
            )

    def samples(self, options: RunOptions) -> tuple[float, ...]:
        """Milliseconds an inference, after a warm-up, for the options' least time and count."""

        def evaluate(number: int, repeat: int) -> list[float]:
            timer = self._machine.time_evaluator("invoke_stateful", self._device, number=number, repeat=repeat)
            return [1e3 * seconds for seconds in timer("main").results]

        once = min(evaluate(1, _WARM_UP))
        number = max(1, round(options.sample_ms / once))
        repeat = max(options.repeats, round(1e3 * options.seconds / (number * once)))
        return tuple(evaluate(number, min(repeat, 1000)))

    def kernel_ms(self, kernel: Kernel) -> float:
        """Milliseconds of one execution of a kernel on its own."""
        return 1e3 * median(kernel_seconds(self._kernels, kernel.symbol, kernel.arguments, self._device))


def kernel_seconds(library: Any, symbol: str, arguments: Arguments, device: Any) -> list[float]:
    """Seconds of one execution of a kernel on its own, its data warm in the caches, measured a few times."""
    tensors = [
        # Halves, because zeros can be faster than numbers; an index of 0 is always valid.
        tvm.runtime.tensor(np.full(shape, 0.5).astype(dtype), device)
        for dtype, shape in arguments
    ]
    timer = library.time_evaluator(symbol, device, number=1, repeat=3, min_repeat_ms=_KERNEL_MS)
    return list(timer(*tensors).results)


class MeasuringRunner(ABC):
    """A runner that times programs on a device; a subclass says how to reach one."""

    name: str
    source: Source = "measured"
    predictor: str | None = None
    exclusive = True

    def __init__(self) -> None:
        self._peaks: dict[tuple[str, str, int], Peak] = {}

    @abstractmethod
    def session(self, options: RunOptions) -> AbstractContextManager[Session]:
        """A device with the options' threads, released whatever happens."""

    def samples(self, program: Program, options: RunOptions) -> tuple[float, ...]:
        """One visit's samples in milliseconds."""
        with self.session(options) as session:
            return LoadedProgram(program, session).samples(options)

    def finish(self, program: Program, options: RunOptions, samples: tuple[float, ...]) -> Latency:
        """Median and interval of all visits' samples; kernels timed one by one give the shares."""
        with self.session(options) as session:
            loaded = LoadedProgram(program, session)
            times = [kernel.calls * loaded.kernel_ms(kernel) for kernel in program.kernels]
            peak = self._peak(session, options)
        return Latency(
            source=self.source,
            runner=self.name,
            target=program.target,
            device=session.name,
            threads=options.threads,
            median_ms=median(samples),
            ci95_ms=median_interval(samples),
            samples_ms=samples,
            kernels=kernel_times(program, times),
            unscheduled_kernels=program.unscheduled_kernels,
            tuned_kernels=program.tuned_kernels,
            peak_memory_bytes=program.peak_memory_bytes,
            max_abs_error=loaded.max_abs_error,
            max_rel_error=loaded.max_rel_error,
            verified_on="device",
            versions=dict(program.versions),
            conditions=session.conditions,
            peak=peak,
        )

    def run(self, program: Program, options: RunOptions) -> Latency:
        """One visit and its result."""
        return self.finish(program, options, self.samples(program, options))

    def _peak(self, session: Session, options: RunOptions) -> Peak:
        """The device's peak, measured by the first network that asks."""
        key = session.name, options.target.name, options.threads
        if key not in self._peaks:
            self._peaks[key] = measure_peak(session.load, session.device, options.target, options.threads)
        return self._peaks[key]
