"""The process that workers of the embedded cluster are forked from: what they need is loaded once, not by each.

Loading torch and TVM takes a process five seconds or more. The server does it while the orchestrator does, holds no
threads, and a worker, also one in the place of another that ended, starts in a fraction of a second.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
_LOADED = (
    "blockfront.sweep.worker",
    "blockfront.sweep.stages",
    "blockfront.design_space",
    "blockfront.targets",
    "blockfront.training",
    "distributed",
    "torchvision",
)


def start_fork_server() -> None:
    """Start the server of this process unless it runs already; returns at once."""
    from multiprocessing import forkserver

    multiprocessing.get_context("forkserver").set_forkserver_preload(list(_LOADED))
    # A process is forked safely while it has one thread; workers set their own numbers when they start.
    with _environment(dict.fromkeys(THREAD_VARIABLES, "1")), _interrupts_ignored():
        forkserver.ensure_running()


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ctrl-C in a terminal is for the orchestrator, also while the server still loads."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for what starts meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
