"""The Dask cluster a sweep computes on: one embedded in this process, or one that already runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from blockfront.errors import RunError, UsageError
from blockfront.sweep.fork_server import THREAD_VARIABLES, start_fork_server
from blockfront.sweep.worker import SHOW_OUTPUT

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

MEASURE = "measure"
"""Dask resource that measurements ask for; `dask worker --resources measure=1` offers it."""

STARTS = 3
"""How often workers are started before their death is told."""

_CONFIG: dict[str, object] = {
    # A crash while compiling costs a retry; the third one in a row is the network's own fault.
    "distributed.scheduler.allowed-failures": 2,
    # A pass of TVM may hold the interpreter for minutes; tasks have limits of their own.
    "distributed.scheduler.worker-ttl": None,
    "distributed.worker.multiprocessing-method": "forkserver",
    "distributed.comm.timeouts.tcp": "10 minutes",
    "distributed.comm.timeouts.connect": "60s",
    "distributed.admin.tick.limit": "1h",
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    # Nobody reads the status pages, and they would be open to every user of the machine.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # Every task is placed on purpose; a measurement must not wander.
    "distributed.scheduler.work-stealing": False,
}


@contextmanager
def embedded_cluster(workers: int, threads: int, *, tvm_threads: int = 1, debug: bool = False) -> Iterator[Client]:
    """A cluster of `workers` processes with `threads` threads each, on loopback, behind TLS of its own.

    `tvm_threads` bounds TVM's pool in a worker; tasks use as many of it as they are told.
    """
    import dask
    from distributed import Client, LocalCluster
    from distributed.security import Security

    level = _quieten(debug)
    variables = dict.fromkeys(THREAD_VARIABLES, str(threads))
    variables |= {"TVM_NUM_THREADS": str(tvm_threads), SHOW_OUTPUT: "1" if debug else "0"}
    start_fork_server()
    with dask.config.set({**_CONFIG, "distributed.nanny.pre-spawn-environ": {}}):
        cluster = _started(
            LocalCluster,
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            security=Security.temporary(),
            silence_logs=level,
            memory_limit=None,
            resources={MEASURE: 1},
            preload=["blockfront.sweep.worker"],
            env={**os.environ, **variables},  # The server's own is that of its start.
        )
        try:
            client = Client(cluster, timeout=60, set_as_default=False)
            try:
                yield client
            finally:
                client.close(timeout=5)
        finally:
            cluster.close(timeout=10)


def _started(make: Callable[..., LocalCluster], **options: Any) -> LocalCluster:
    """A cluster, made again where one of its workers died while it started; it has ended what it began then."""
    for _ in range(STARTS - 1):
        try:
            return make(**options)
        except RuntimeError:
            continue
    return make(**options)


@contextmanager
def existing_cluster(address: str, *, measures: bool, debug: bool = False) -> Iterator[Client]:
    """A client of the scheduler at `address`.

    Raises `UsageError` when it is silent or has no fitting worker, `RunError` when it goes away.
    """
    from distributed import Client
    from distributed.client import FuturesCancelledError

    _quieten(debug)
    try:
        client = Client(address, timeout=10, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise UsageError(f"no Dask scheduler answers at {address}; start one with: dask scheduler") from error
    try:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        if not workers:
            raise UsageError(f"the scheduler at {address} has no workers; start some with: dask worker {address}")
        if measures and not any(worker["resources"].get(MEASURE) for worker in workers):
            raise UsageError(
                f"no worker at {address} may measure; start one beside the device with: "
                f"dask worker {address} --nthreads 1 --resources {MEASURE}=1"
            )
        yield client
    except (FuturesCancelledError, OSError) as error:
        # An error of files is none of the scheduler's.
        if client.status == "running":
            raise
        raise RunError(
            f"the Dask scheduler at {address} went away; what was finished is kept, so start it and its workers, and "
            "run the same command again"
        ) from error
    finally:
        client.close(timeout=5)


def _quieten(debug: bool) -> int:
    """Have Dask tell nothing but with `debug`; gives the level of its logs."""
    level = logging.WARNING if debug else logging.CRITICAL
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(level)
    return level
