"""Set-up of a worker process of the embedded cluster; Dask imports it there by name (`preload`)."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from typing import Any

SHOW_OUTPUT = "BENCH_WORKER_OUTPUT"
"""Environment variable: "1" lets a worker write to the terminal's standard error."""


def dask_setup(worker: Any) -> None:
    """Leave Ctrl-C to the orchestrator, and keep what networks print out of the orchestrator's output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _use_threads(int(os.environ["OMP_NUM_THREADS"]))
    # Unloading torch takes seconds; by then the worker has said goodbye.
    atexit.register(os._exit, 0)
    sys.stdout.flush()
    sys.stderr.flush()
    if os.environ.get(SHOW_OUTPUT) != "1":
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 2)
        os.close(silent)
    os.dup2(2, 1)


def _use_threads(threads: int) -> None:
    """As many threads for torch and BLAS: both were loaded before this process was, and read no variable again."""
    import torch
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    torch.set_num_threads(threads)
