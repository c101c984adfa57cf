"""The functions a board's server offers over RPC, besides TVM's own. Answers with several parts are JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import tvm_ffi

from blockfront.board.description import Threads, describe_board
from blockfront.board.engines import engine_functions
from blockfront.board.state import read_state
from blockfront.files import write_atomically

PREFIX = "blockfront.board."
"""Of the functions' names."""
KEPT_BYTES = 512 * 1024**2
"""How much of the libraries sent is kept, the last used ones."""

_BIG_CORES, _ONE_CORE_EACH = 1, -2


def offer(name: str, folder: Path, *, emulated: bool = False) -> None:
    """Register the functions for a board called `name`, which keeps libraries in `folder`.

    - `describe()`, `state()`: `Board` and `State`.
    - `configure(cpus, threads)`: run kernels on that many threads, one on each of the cores (numbers with commas
      between), or on the biggest cores for an empty text; gives `Threads`. An emulated board has no cores of its own
      to choose from.
    - `find(library)`: the path of a library kept under that name, empty when there is none.
    - `keep(library, data)`: keep it; gives its path.
    - `engine_…`: see `engine_functions`.
    """
    functions: dict[str, Callable[..., str]] = {
        "describe": lambda: json.dumps(asdict(describe_board(name, emulated))),
        "state": lambda: json.dumps(asdict(read_state())),
        "configure": lambda cpus, threads: json.dumps(asdict(configure("" if emulated else str(cpus), int(threads)))),
        "find": lambda library: find(folder, str(library)),
        "keep": lambda library, data: keep_library(folder, str(library), bytes(data)),
        **engine_functions(),
    }
    for function_name, function in functions.items():
        tvm_ffi.register_global_func(PREFIX + function_name, function, override=True)


def configure(cpus: str, threads: int) -> Threads:
    """Set TVM's thread pool, for the first time in this process, and read back what it is."""
    # The pool is as large as this says when it is first used; in a larger one cores would not be one a thread.
    os.environ["TVM_NUM_THREADS"] = str(threads)
    set_pool = tvm_ffi.get_global_func("runtime.config_threadpool")
    chosen = [int(cpu) for cpu in cpus.split(",") if cpu][:threads]
    if chosen:
        set_pool(_ONE_CORE_EACH, threads, [str(cpu) for cpu in chosen])
        # The calling thread is a worker too, and TVM lets it wander over all of them.
        os.sched_setaffinity(0, chosen[:1])
    else:
        set_pool(_BIG_CORES, threads)
    used = {cpu for thread in os.listdir("/proc/self/task") for cpu in os.sched_getaffinity(int(thread))}
    return Threads(int(tvm_ffi.get_global_func("runtime.NumThreads")()), tuple(sorted(used)))


def find(folder: Path, library: str) -> str:
    """The path of a kept library, now the last used one; empty when there is none."""
    path = folder / library
    if not path.is_file():
        return ""
    os.utime(path)
    return str(path)


def keep_library(folder: Path, library: str, data: bytes) -> str:
    """Write a library where `find` finds it, whole or not at all, and make room for it."""
    path = folder / library
    # The folder goes with the server, so that nothing of it need outlive a power cut.
    write_atomically(path, data, survives_power_cut=False)
    room = KEPT_BYTES
    for kept in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True):
        room -= kept.stat().st_size
        if room < 0 and kept != path:
            kept.unlink()
    return str(path)
