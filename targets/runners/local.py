"""Measuring on this machine."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tvm

from bench.errors import UsageError
from bench.targets.linking import load_library
from bench.targets.runners.measure import MeasuringRunner, Session
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
    def session(self, options: RunOptions) -> Iterator[Session]:
        """Libraries are loaded into this process."""
        threads = use_threads(options.threads)
        yield Session(
            tvm.cpu(),
            lambda _name, library: load_library(library),
            name=platform.node() or "host",
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
