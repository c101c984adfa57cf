"""Timing a loaded program on a device, here or at the other end of an RPC session."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
import tvm
from tvm import relax

from blockfront.agreement.outputs import OutputError, compare_all, disagreement, worst
from blockfront.errors import DeviceUnavailable, RunError, UsageError
from blockfront.results.latency import KernelTime, Latency, LatencySource, Peak, Visit
from blockfront.targets.compiler.addresses import Contents
from blockfront.targets.compiler.program import Arguments, Kernel, Program
from blockfront.targets.latency.meter import Meter
from blockfront.targets.latency.meters.peak import measure_peak
from blockfront.targets.latency.meters.predicting import kernel_times
from blockfront.targets.latency.options import RunOptions
from blockfront.targets.latency.statistics import median, median_interval
from blockfront.targets.latency.toolchain import TOOLCHAINS, Loaded, Runnable, Runs

_WARM_UP = 3
_KERNEL_MS = 3


class EngineRun(Protocol):
    """An engine of others at work, as `EngineProcess` is."""

    outputs: list[np.ndarray]
    versions: Mapping[str, str]

    def milliseconds(self, number: int, repeat: int) -> list[float]:
        """As `Loaded` has it."""


@dataclass(frozen=True)
class Session:
    """A device in our hands: how to `load` a library there, and what is to be recorded of it.

    A file name given to `load` again would pull the library loaded before from under its functions. `conditions` hold
    for the whole session; `state` reads what changes. `memory_bytes` is what a program may take, 0 when unknown; an
    `emulated` device computes what a real one would, in another time. `start_engine` starts an engine of others there,
    of its name and the contents of its files.
    """

    device: Any
    load: Callable[[str, bytes], Any]
    name: str
    conditions: dict[str, str]
    state: Callable[[], Mapping[str, str]] = dict
    memory_bytes: int = 0
    emulated: bool = False
    start_engine: Callable[[str, Mapping[str, bytes]], EngineRun] | None = None


class LoadedProgram:
    """A program in a virtual machine on a session's device, its outputs compared with torch's."""

    def __init__(self, program: Program, session: Session) -> None:
        self._program = program
        self._session = session
        self._device = session.device
        self._machine, errors = run_program(program, session)
        self.max_abs_error, self.max_rel_error, self.torch_rel_error = worst(errors)
        wrong = disagreement(errors, "on the device")
        if wrong is not None:
            raise RunError(f"{wrong}, on {session.name}")

    def milliseconds(self, number: int, repeat: int) -> list[float]:
        """By TVM's time evaluator, on the device itself."""
        timer = self._machine.time_evaluator("invoke_stateful", self._device, number=number, repeat=repeat)
        return [1e3 * seconds for seconds in timer("main").results]

    def kernels(self) -> tuple[KernelTime, ...]:
        """Each kernel on its own."""
        times = [kernel.calls * self.kernel_ms(kernel) for kernel in self._program.kernels]
        return kernel_times(self._program, times)

    @cached_property
    def _kernels(self) -> Any:
        return self._session.load("kernels.so", self._program.kernel_library)

    def kernel_ms(self, kernel: Kernel) -> float:
        """Milliseconds of one execution of a kernel on its own."""
        return 1e3 * median(
            kernel_seconds(self._kernels, kernel.symbol, kernel.arguments, self._device, kernel.addresses)
        )


def run_program(program: Program, session: Session) -> tuple[relax.VirtualMachine, tuple[OutputError, ...]]:
    """A program that ran once on a session's device, and how far each of its outputs is from torch's."""
    machine = relax.VirtualMachine(session.load("network.so", program.library.content), session.device)
    machine.set_input("main", *(tvm.runtime.tensor(sample, session.device) for sample in program.inputs))
    machine.invoke_stateful("main")
    returned = machine.get_outputs("main")
    computed = returned if isinstance(returned, tuple) else (returned,)
    return machine, compare_all(program.outputs, [tensor.numpy() for tensor in computed])


def kernel_seconds(
    library: Any, symbol: str, arguments: Arguments, device: Any, addresses: Contents = ()
) -> list[float]:
    """Seconds of one execution of a kernel on its own, its data warm in the caches, measured a few times."""
    # Halves, because zeros can be faster than numbers; an index of 0 is always valid.
    arrays = [np.full(shape, 0.5).astype(dtype) for dtype, shape in arguments]
    for position, contents in addresses:
        arrays[position] = np.frombuffer(contents, arrays[position].dtype).reshape(arrays[position].shape)
    tensors = [tvm.runtime.tensor(array, device) for array in arrays]
    timer = library.time_evaluator(symbol, device, number=1, repeat=3, min_repeat_ms=_KERNEL_MS)
    return list(timer(*tensors).results)


class Measures(Meter[Runnable, RunOptions]):
    """Times prepared networks on a device; a subclass says how to reach one.

    A device is occupied: nothing else may run there meanwhile, and samples are taken in several visits, so that
    networks can be interleaved. `here` tells that the device is this machine, which must be quiet then.
    """

    source: ClassVar[LatencySource] = "measured"
    here: ClassVar[bool] = False

    @abstractmethod
    def devices(self, options: RunOptions) -> int:
        """How many devices can be visited at the same time."""

    @abstractmethod
    def session(self, options: RunOptions) -> AbstractContextManager[Session]:
        """A device with the options' threads, released whatever happens."""

    def visit(self, prepared: Runnable, options: RunOptions) -> Visit:
        """The samples of one visit. Raises `RunError` when the device is emulated or its output is wrong."""
        with self.session(options) as session:
            return _visit(_loaded(prepared, session, options), session, options)

    def finish(self, prepared: Runnable, options: RunOptions, visits: tuple[Visit, ...]) -> Latency:
        """Median and interval of all visits' samples; kernels timed one by one give the shares."""
        with self.session(options) as session:
            return self._latency(_loaded(prepared, session, options), session, prepared, options, visits)

    def latency(self, prepared: Runnable, options: RunOptions) -> Latency:
        """One visit and its result."""
        with self.session(options) as session:
            loaded = _loaded(prepared, session, options)
            visits = (_visit(loaded, session, options),)
            return self._latency(loaded, session, prepared, options, visits)

    def _latency(
        self,
        loaded: Loaded,
        session: Session,
        prepared: Runnable,
        options: RunOptions,
        visits: tuple[Visit, ...],
    ) -> Latency:
        samples = tuple(sample for visit in visits for sample in visit.samples_ms)
        return Latency(
            source=self.source,
            runner=self.name,
            toolchain=options.toolchain,
            target=options.target.name,
            device=", ".join(sorted({visit.device for visit in visits})),
            threads=options.threads,
            median_ms=median(samples),
            ci95_ms=median_interval(samples),
            visits=visits,
            kernels=loaded.kernels(),
            unscheduled_kernels=prepared.unscheduled_kernels,
            tuned_kernels=prepared.tuned_kernels,
            peak_memory_bytes=prepared.peak_memory_bytes,
            # Only what is compiled here says how large it is.
            flash_bytes=getattr(prepared, "flash_bytes", None),
            ram_bytes=getattr(prepared, "ram_bytes", None),
            max_abs_error=loaded.max_abs_error,
            max_rel_error=loaded.max_rel_error,
            torch_rel_error=loaded.torch_rel_error,
            verified_on="device",
            # Only what runs on a board in an engine has versions of its own there.
            versions={**prepared.versions, **getattr(loaded, "versions", {})},
            conditions=together([visit.conditions for visit in visits]),
            peak=_peak(session, options),
            precision=options.precision,
        )


_PEAKS: dict[tuple[str, str, int], Peak] = {}


def _peak(session: Session, options: RunOptions) -> Peak | None:
    """The device's peak, measured by the first network of a process that asks; only processors have one."""
    target = options.target
    machine = target.machine(options.threads)
    if machine is None:
        return None
    key = session.name, target.name, options.threads
    if key not in _PEAKS:
        _PEAKS[key] = measure_peak(session.load, session.device, target, machine, session.memory_bytes)
    return _PEAKS[key]


def _loaded(prepared: Runnable, session: Session, options: RunOptions) -> Loaded:
    toolchain = TOOLCHAINS[options.toolchain]
    if not isinstance(toolchain, Runs):
        raise UsageError(f"what toolchain {toolchain.name} prepares does not run on a device")
    return toolchain.load(prepared, session, options.threads)


def together(conditions: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What several visits say under each label: once where they agree, else in turn."""
    labels = dict.fromkeys(label for visit in conditions for label in visit)
    return {label: "; ".join(dict.fromkeys(visit[label] for visit in conditions if label in visit)) for label in labels}


def _visit(loaded: Loaded, session: Session, options: RunOptions) -> Visit:
    if session.emulated:
        raise DeviceUnavailable(
            f"device {session.name} is emulated: its times say nothing of a board's; "
            "bench verify compares outputs on it"
        )
    time.sleep(options.cooldown_s)
    before = session.state()
    samples = _samples(loaded, options)
    after = session.state()
    changing = {
        f"{label} {when}": text
        for when, state in (("before", before), ("after", after))
        for label, text in state.items()
    }
    return Visit(session.name, samples, session.conditions | dict(sorted(changing.items())))


def _samples(loaded: Loaded, options: RunOptions) -> tuple[float, ...]:
    """Milliseconds an inference, after a warm-up, for the options' least time and count."""
    once = min(loaded.milliseconds(1, _WARM_UP))
    number = max(1, round(options.sample_ms / once))
    repeat = max(options.repeats, round(1e3 * options.seconds / (number * once)))
    return tuple(loaded.milliseconds(number, min(repeat, 1000)))
