"""Measuring on this machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import singledispatch
from typing import Any, ClassVar

import tvm

from blockfront.board.state import conditions, read_state
from blockfront.engines.process import EngineProcess
from blockfront.targets.compiler.linking import load_library
from blockfront.targets.compiler.threads import use_threads
from blockfront.targets.hardware.hardware import Hardware
from blockfront.targets.hardware.target import Gpu, Processor
from blockfront.targets.latency.meters.gpu import find_device, gpu_state
from blockfront.targets.latency.meters.measure import Measures, Session
from blockfront.targets.latency.options import RunOptions
from blockfront.targets.latency.toolchain import Runs, Toolchain


class LocalMeter(Measures):
    """In this process, on the target's threads or on the GPU; whatever a toolchain loads here."""

    name = "local"
    title = "measured on this machine"
    options: ClassVar[tuple[str, ...]] = ("cooldown",)
    here = True

    def accepts(self, toolchain: Toolchain[Any, Any], hardware: Hardware) -> bool:
        """Only this machine's own code can run here."""
        return hardware.local and isinstance(toolchain, Runs)

    def standing(self, options: RunOptions) -> str:
        """There is always this machine."""
        return f"{options.target.title}, threads: {options.threads}"

    def devices(self, options: RunOptions) -> int:
        """This machine."""
        return 1

    @contextmanager
    def session(self, options: RunOptions) -> Iterator[Session]:
        """Libraries are loaded into this process."""
        yield _session(options.target, options.threads)


@singledispatch
def _session(target: Hardware, threads: int) -> Session:
    """This machine as the device that `target` is."""
    raise NotImplementedError(f"{target.name} is no device that TVM could have here")


@_session.register
def _(target: Processor, threads: int) -> Session:
    read_back = use_threads(threads)
    cpus = sorted(os.sched_getaffinity(0))
    return Session(
        tvm.cpu(),
        lambda _name, library: load_library(library),
        name=platform.node() or "host",
        conditions={"processor": platform.processor() or platform.machine(), "threads read back": str(read_back)},
        state=lambda: conditions(read_state(), cpus),
        start_engine=lambda engine, contents: EngineProcess(engine, contents, threads),
    )


@_session.register
def _(target: Gpu, threads: int) -> Session:
    device = find_device(tvm, target, "this machine")
    return Session(
        device,
        lambda _name, library: load_library(library),
        name=str(device.device_name),
        conditions={"processor": f"{device.device_name}, compute capability {device.compute_version}"},
        state=gpu_state,
    )
