"""Timing a loaded program on a device, here or at the other end of an RPC session."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import tvm
from tvm import relax

from bench.errors import RunError
from bench.targets.compiling import TOLERANCE, compare
from bench.targets.latency import Latency, Source
from bench.targets.program import Kernel, Program
from bench.targets.runners.roofline import kernel_times
from bench.targets.runners.runner import RunOptions
from bench.targets.statistics import median, median_interval

_WARM_UP = 3
_KERNEL_MS = 3


class LoadedProgram:
    """A program in a virtual machine on `device`, its output compared with torch's."""

    def __init__(self, program: Program, library: Any, kernels: Any, device: Any) -> None:
        shape = (1, 3, program.resolution, program.resolution)
        self._kernels, self._device = kernels, device
        self._machine = relax.VirtualMachine(library, device)
        sample = np.frombuffer(program.sample, dtype="float32").reshape(shape)
        self._machine.set_input("main", tvm.runtime.tensor(sample, device))
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
        """Milliseconds of one execution of a kernel on its own, its data warm in the caches."""
        arguments = [
            # Halves, because zeros can be faster than numbers; an index of 0 is always valid.
            tvm.runtime.tensor(np.full(shape, 0.5).astype(dtype), self._device)
            for dtype, shape in kernel.arguments
        ]
        timer = self._kernels.time_evaluator(kernel.symbol, self._device, number=1, repeat=3, min_repeat_ms=_KERNEL_MS)
        return 1e3 * median(timer(*arguments).results)


@dataclass(frozen=True)
class Session:
    """A program loaded on a device, with what is to be recorded of it."""

    loaded: LoadedProgram
    device: str
    conditions: dict[str, str]


class MeasuringRunner(ABC):
    """A runner that times programs on a device; a subclass says how to reach one."""

    name: str
    source: Source = "measured"
    predictor: str | None = None
    exclusive = True

    @abstractmethod
    def session(self, program: Program, options: RunOptions) -> AbstractContextManager[Session]:
        """Load `program` on a device with the options' threads, and release the device whatever happens."""

    def samples(self, program: Program, options: RunOptions) -> tuple[float, ...]:
        """One visit's samples in milliseconds."""
        with self.session(program, options) as session:
            return session.loaded.samples(options)

    def finish(self, program: Program, options: RunOptions, samples: tuple[float, ...]) -> Latency:
        """Median and interval of all visits' samples; kernels timed one by one give the shares."""
        with self.session(program, options) as session:
            times = [kernel.calls * session.loaded.kernel_ms(kernel) for kernel in program.kernels]
        return Latency(
            source=self.source,
            runner=self.name,
            target=program.target,
            device=session.device,
            threads=options.threads,
            median_ms=median(samples),
            ci95_ms=median_interval(samples),
            samples_ms=samples,
            kernels=kernel_times(program, times),
            unscheduled_kernels=program.unscheduled_kernels,
            peak_memory_bytes=program.peak_memory_bytes,
            max_abs_error=session.loaded.max_abs_error,
            max_rel_error=session.loaded.max_rel_error,
            verified_on="device",
            versions=dict(program.versions),
            conditions=session.conditions,
        )

    def run(self, program: Program, options: RunOptions) -> Latency:
        """One visit and its result."""
        return self.finish(program, options, self.samples(program, options))
