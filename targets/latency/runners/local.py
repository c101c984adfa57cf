"""Measuring on this machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import tvm

from blockfront.board.state import conditions, read_state
from blockfront.errors import UsageError
from blockfront.targets.compiler.linking import load_library
from blockfront.targets.compiler.threads import use_threads
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.runners.gpu import find_gpu, gpu_state
from blockfront.targets.latency.runners.measure import MeasuringRunner, Session
from blockfront.targets.latency.runners.runner import RunOptions


class LocalRunner(MeasuringRunner):
    """TVM's time evaluator in this process, on the target's threads or on the GPU."""

    name = "local"
    title = "measured on this machine"
    here = True

    def check(self, options: RunOptions) -> None:
        """Only the host's own code can run here."""
        if not options.target.is_host:
            raise UsageError(f"runner local measures on this machine; {options.target.name} is another")

    def devices(self, options: RunOptions) -> int:
        """This machine."""
        return 1

    @contextmanager
    def session(self, options: RunOptions) -> Iterator[Session]:
        """Libraries are loaded into this process."""
        if options.target.is_gpu:
            yield _gpu_session(options.target)
            return
        threads = use_threads(options.threads)
        cpus = sorted(os.sched_getaffinity(0))
        yield Session(
            tvm.cpu(),
            lambda _name, library: load_library(library),
            name=platform.node() or "host",
            conditions={
                "processor": platform.processor() or platform.machine(),
                "threads read back": str(threads),
            },
            state=lambda: conditions(read_state(), cpus),
        )


def _gpu_session(target: Target) -> Session:
    device = find_gpu(tvm, target, "this machine")
    return Session(
        device,
        lambda _name, library: load_library(library),
        name=str(device.device_name),
        conditions={"processor": f"{device.device_name}, compute capability {device.compute_version}"},
        state=gpu_state,
    )
