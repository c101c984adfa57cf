"""Measuring on this machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import tvm

from bench.board.state import conditions, read_state
from bench.errors import UsageError
from bench.targets.linking import load_library
from bench.targets.runners.gpu import find_gpu, gpu_state
from bench.targets.runners.measure import MeasuringRunner, Session
from bench.targets.runners.runner import RunOptions
from bench.targets.target import Target
from bench.targets.threads import use_threads


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
