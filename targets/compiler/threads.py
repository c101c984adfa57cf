"""TVM's thread pool in this process: set, never left to chance."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import tvm

from blockfront.cores import usable_cores
from blockfront.errors import RunError

# The pool is created once, with this many workers at most; unset, TVM takes half the processors it sees.
os.environ.setdefault("TVM_NUM_THREADS", str(usable_cores()))

_BIG_CORES = 1


def use_threads(threads: int) -> int:
    """Let kernels run on `threads` threads; returns the number read back, raises `RunError` when it differs.

    The caller may run on the cores it could run on before: TVM binds it to the first core when its pool has one
    thread, and all workers of a sweep would share that core.
    """
    with _same_cores():
        tvm.get_global_func("runtime.config_threadpool")(_BIG_CORES, threads)
    used = int(tvm.get_global_func("runtime.NumThreads")())
    if used != threads:
        raise RunError(
            f"TVM uses {used} threads, not {threads}: "
            f"TVM_NUM_THREADS is {os.environ['TVM_NUM_THREADS']}; set it to at least {threads} or unset it"
        )
    return used


@contextmanager
def _same_cores() -> Iterator[None]:
    """Give the calling thread back the cores it had."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
