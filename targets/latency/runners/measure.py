"""Timing a loaded program on a device, here or at the other end of an RPC session."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tvm
from tvm import relax

from blockfront.errors import DeviceUnavailable, RunError
from blockfront.results.latency import Latency, LatencySource, Peak, Prediction, Visit
from blockfront.targets.compiler.outputs import OutputError, compare_all, disagreement, worst
from blockfront.targets.compiler.program import Arguments, Kernel, Program
from blockfront.targets.latency.runners.peak import measure_peak
from blockfront.targets.latency.runners.predicting import kernel_times
from blockfront.targets.latency.runners.runner import ProgramRunner, RunOptions
from blockfront.targets.latency.statistics import median, median_interval

_WARM_UP = 3
_KERNEL_MS = 3


@dataclass(frozen=True)
class Session:
    """A device in our hands: how to `load` a library there, and what is to be recorded of it.

    A file name given to `load` again would pull the library loaded before from under its functions. `conditions` hold
    for the whole session; `state` reads what changes. `memory_bytes` is what a program may take, 0 when unknown; an
    `emulated` device computes what a real one would, in another time.
    """

    device: Any
    load: Callable[[str, bytes], Any]
    name: str
    conditions: dict[str, str]
    state: Callable[[], Mapping[str, str]] = dict
    memory_bytes: int = 0
    emulated: bool = False


class LoadedProgram:
    """A program in a virtual machine on a session's device, its outputs compared with torch's."""

    def __init__(self, program: Program, session: Session) -> None:
        self._program = program
        self._session = session
        self._device = session.device
        self._machine, errors = run_program(program, session)
        self.max_abs_error, self.max_rel_error = worst(errors)
        wrong = disagreement(errors, "on the device")
        if wrong is not None:
            raise RunError(f"{wrong}, on {session.name}")

    def samples(self, options: RunOptions) -> tuple[float, ...]:
        """Milliseconds an inference, after a warm-up, for the options' least time and count."""

        def evaluate(number: int, repeat: int) -> list[float]:
            timer = self._machine.time_evaluator("invoke_stateful", self._device, number=number, repeat=repeat)
            return [1e3 * seconds for seconds in timer("main").results]

        once = min(evaluate(1, _WARM_UP))
        number = max(1, round(options.sample_ms / once))
        repeat = max(options.repeats, round(1e3 * options.seconds / (number * once)))
        return tuple(evaluate(number, min(repeat, 1000)))

    @cached_property
    def _kernels(self) -> Any:
        return self._session.load("kernels.so", self._program.kernel_library)

    def kernel_ms(self, kernel: Kernel) -> float:
        """Milliseconds of one execution of a kernel on its own."""
        return 1e3 * median(kernel_seconds(self._kernels, kernel.symbol, kernel.arguments, self._device))


def run_program(program: Program, session: Session) -> tuple[relax.VirtualMachine, tuple[OutputError, ...]]:
    """A program that ran once on a session's device, and how far each of its outputs is from torch's."""
    machine = relax.VirtualMachine(session.load("network.so", program.library), session.device)
    machine.set_input("main", *(tvm.runtime.tensor(sample, session.device) for sample in program.inputs))
    machine.invoke_stateful("main")
    returned = machine.get_outputs("main")
    computed = returned if isinstance(returned, tuple) else (returned,)
    return machine, compare_all(program.outputs, [tensor.numpy() for tensor in computed])


def kernel_seconds(library: Any, symbol: str, arguments: Arguments, device: Any) -> list[float]:
    """Seconds of one execution of a kernel on its own, its data warm in the caches, measured a few times."""
    tensors = [
        # Halves, because zeros can be faster than numbers; an index of 0 is always valid.
        tvm.runtime.tensor(np.full(shape, 0.5).astype(dtype), device)
        for dtype, shape in arguments
    ]
    timer = library.time_evaluator(symbol, device, number=1, repeat=3, min_repeat_ms=_KERNEL_MS)
    return list(timer(*tensors).results)


class MeasuringRunner(ProgramRunner, ABC):
    """A runner that times programs on a device; a subclass says how to reach one."""

    name: str
    source: LatencySource = "measured"
    predictor: str | None = None
    exclusive = True
    here = False

    def prediction(self, options: RunOptions) -> Prediction | None:
        """Nothing is predicted."""
        return None

    def __init__(self) -> None:
        self._peaks: dict[tuple[str, str, int], Peak] = {}

    @abstractmethod
    def session(self, options: RunOptions) -> AbstractContextManager[Session]:
        """A device with the options' threads, released whatever happens."""

    def visit(self, program: Program, options: RunOptions) -> Visit:
        """The samples of one visit. Raises `RunError` when the device is emulated or its output is wrong."""
        with self.session(options) as session:
            return _visit(LoadedProgram(program, session), session, options)

    def finish(self, program: Program, options: RunOptions, visits: tuple[Visit, ...]) -> Latency:
        """Median and interval of all visits' samples; kernels timed one by one give the shares."""
        with self.session(options) as session:
            return self._latency(LoadedProgram(program, session), session, program, options, visits)

    def run(self, program: Program, options: RunOptions) -> Latency:
        """One visit and its result."""
        with self.session(options) as session:
            loaded = LoadedProgram(program, session)
            visits = (_visit(loaded, session, options),)
            return self._latency(loaded, session, program, options, visits)

    def _latency(
        self,
        loaded: LoadedProgram,
        session: Session,
        program: Program,
        options: RunOptions,
        visits: tuple[Visit, ...],
    ) -> Latency:
        times = [kernel.calls * loaded.kernel_ms(kernel) for kernel in program.kernels]
        samples = tuple(sample for visit in visits for sample in visit.samples_ms)
        return Latency(
            source=self.source,
            runner=self.name,
            target=program.target,
            device=", ".join(sorted({visit.device for visit in visits})),
            threads=options.threads,
            median_ms=median(samples),
            ci95_ms=median_interval(samples),
            visits=visits,
            kernels=kernel_times(program, times),
            unscheduled_kernels=program.unscheduled_kernels,
            tuned_kernels=program.tuned_kernels,
            peak_memory_bytes=program.peak_memory_bytes,
            max_abs_error=loaded.max_abs_error,
            max_rel_error=loaded.max_rel_error,
            verified_on="device",
            versions=dict(program.versions),
            conditions=together([visit.conditions for visit in visits]),
            peak=self._peak(session, options),
        )

    def _peak(self, session: Session, options: RunOptions) -> Peak | None:
        """The device's peak, measured by the first network that asks; of a GPU there is none."""
        if options.target.is_gpu:
            return None
        key = session.name, options.target.name, options.threads
        if key not in self._peaks:
            self._peaks[key] = measure_peak(
                session.load, session.device, options.target, options.threads, session.memory_bytes
            )
        return self._peaks[key]


def together(conditions: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What several visits say under each label: once where they agree, else in turn."""
    labels = dict.fromkeys(label for visit in conditions for label in visit)
    return {label: "; ".join(dict.fromkeys(visit[label] for visit in conditions if label in visit)) for label in labels}


def _visit(loaded: LoadedProgram, session: Session, options: RunOptions) -> Visit:
    if session.emulated:
        raise DeviceUnavailable(
            f"device {session.name} is emulated: its times say nothing of a board's; "
            "bench verify compares outputs on it"
        )
    time.sleep(options.cooldown_s)
    before = session.state()
    samples = loaded.samples(options)
    after = session.state()
    changing = {
        f"{label} {when}": text
        for when, state in (("before", before), ("after", after))
        for label, text in state.items()
    }
    return Visit(session.name, samples, session.conditions | dict(sorted(changing.items())))
