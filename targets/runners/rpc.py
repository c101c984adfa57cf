"""Measuring on a board through TVM's RPC tracker."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tvm import rpc
from tvm.rpc import base

from bench.errors import RunError, UsageError
from bench.targets.runners.measure import MeasuringRunner, Session
from bench.targets.runners.runner import RunOptions, tracker_address

_CONNECT_S = 3.0
_BIG_CORES = 1


class RpcRunner(MeasuringRunner):
    """Upload, run and time on a device that a tracker hands out; the session is closed whatever happens."""

    name = "rpc"
    title = "measured on a board attached to a TVM RPC tracker"

    def check(self, options: RunOptions) -> None:
        """Raise `UsageError` unless the tracker answers within seconds and knows a device of the target's key."""
        tracker, key = _tracker(options), options.target.tracker_key
        devices = [server["key"] for server in tracker.summary()["server_info"]]
        if f"server:{key}" not in devices:
            raise UsageError(
                f"the tracker at {tracker_address(options.tracker)} has no device with key {key}; on the board run: "
                f"python -m tvm.exec.rpc_server --tracker HOST:PORT --key {key}"
            )

    @contextmanager
    def session(self, options: RunOptions) -> Iterator[Session]:
        """Ask the tracker for a device and set its threads; libraries are uploaded."""
        tracker, key = _tracker(options), options.target.tracker_key
        try:
            remote = tracker.request(key, session_timeout=options.timeout_s, max_retry=2)
        except RuntimeError as error:
            raise RunError(f"no device with key {key} became free: {str(error).splitlines()[0]}") from error
        try:
            threads = _use_threads(remote, key, options.threads)

            def load(name: str, library: bytes) -> Any:
                remote.upload(bytearray(library), name)
                return remote.load_module(name)

            yield Session(
                remote.cpu(),
                load,
                name=f"{key} at {tracker_address(options.tracker)}",
                conditions={"threads read back": str(threads)},
            )
        finally:
            remote.get_function("CloseRPCConnection")()


def _use_threads(remote: Any, key: str, threads: int) -> int:
    remote.get_function("runtime.config_threadpool")(_BIG_CORES, threads)
    used = int(remote.get_function("runtime.NumThreads")())
    if used != threads:
        raise RunError(
            f"device {key} uses {used} threads, not {threads}; "
            "set TVM_NUM_THREADS on the board before starting the RPC server"
        )
    return used


def _tracker(options: RunOptions) -> Any:
    address = tracker_address(options.tracker) or ""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"tracker {address!r}: write HOST:PORT, for example 127.0.0.1:9190")
    try:
        _shake_hands(host, int(port))
    except OSError as error:
        raise UsageError(
            f"no tracker answers at {address} ({error}); start one: "
            f"python -m tvm.exec.rpc_tracker --host {host} --port {port}"
        ) from error
    return rpc.connect_tracker(host, int(port))


def _shake_hands(host: str, port: int) -> None:
    """Say what TVM's tracker protocol begins with, and wait a few seconds for its answer; TVM would wait for ever."""
    magic = struct.pack("<i", base.RPC_TRACKER_MAGIC)
    with socket.create_connection((host, port), timeout=_CONNECT_S) as connection:
        connection.sendall(magic)
        if connection.recv(len(magic), socket.MSG_WAITALL) != magic:
            raise OSError("something else listens there")
