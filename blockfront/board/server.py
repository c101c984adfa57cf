"""The RPC server of a board: `python -m blockfront.board.server --tracker HOST:PORT --key KEY`.

One session at a time, each in a process of its own: a kernel that crashes or hangs costs its session, and so does a
client that dies. TVM's own server stops serving then.
"""

from __future__ import annotations

import argparse
import ctypes
import logging
import multiprocessing
import os
import platform
import select
import signal
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tvm.rpc import _ffi_api, base
from tvm.rpc.server import _server_env
from tvm.support import utils

from blockfront.board.offers import offer
from blockfront.board.sockets import Address, format_address, is_loopback, keep_alive, listen, parse_address
from blockfront.errors import UsageError

PORTS = range(9091, 9190)
"""Where a server listens unless told otherwise: the first that is free."""

_ANY = ("", "0.0.0.0", "::")  # noqa: S104
_PING_S = 2.0
_UNUSED_S = 6.0
_HANDSHAKE_S = 5.0
_RETRY_S = 5.0
_PR_SET_PDEATHSIG = 1
_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Client:
    """Who was let in: the connection, and how long the session may take in seconds."""

    connection: socket.socket
    limit_s: float | None


def serve(
    tracker: Address,
    key: str,
    host: str = "127.0.0.1",
    port: int | None = None,
    name: str | None = None,
    *,
    emulated: bool = False,
) -> None:
    """Serve sessions one after the other until interrupted.

    The server listens at `host` and calls itself `name` (this machine's name by default). Without a tracker it waits
    for one. Raises UsageError when it cannot listen.
    """
    name = name or platform.node() or key
    logging.getLogger("RPCServer").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="bench-board-") as folder:
        # What sessions leave behind goes with this folder.
        tempfile.tempdir = folder
        libraries = Path(folder, "libraries")
        libraries.mkdir()
        offer(name, libraries, emulated=emulated)
        with closing(listen(host, PORTS if port is None else range(port, port + 1))) as listener:
            _say(f"{name} serves as {key} at {format_address(listener.getsockname()[:2])}; Ctrl-C ends it")
            if is_loopback(host) and not is_loopback(tracker[0]):
                _say("only this machine can reach it there: tunnel the port, or pass --host")
            _Server(listener, tracker, key, None if host in _ANY or is_loopback(host) else host).run()


class _Server:
    def __init__(self, listener: socket.socket, tracker: Address, key: str, host: str | None) -> None:
        self._listener = listener
        # Without one the tracker takes the address it sees the connection come from.
        self._host = host
        self._port = listener.getsockname()[1]
        self._tracker = tracker
        self._key = key

    def run(self) -> None:
        said = ""
        while True:
            try:
                with socket.create_connection(self._tracker, timeout=_HANDSHAKE_S) as tracker:
                    self._register(tracker)
                    said = ""
                    while True:
                        self._session(self._next_client(tracker), tracker)
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or str(error)
                if why != said:
                    said = why
                    _say(f"not registered at {format_address(self._tracker)}: {said}; trying every {_RETRY_S:g} s")
                time.sleep(_RETRY_S)

    def _register(self, tracker: socket.socket) -> None:
        keep_alive(tracker)
        magic = struct.pack("<i", base.RPC_TRACKER_MAGIC)
        tracker.sendall(magic)
        if base.recvall(tracker, len(magic)) != magic:
            raise OSError("something else listens there")
        info = {"key": f"server:{self._key}", "addr": (self._host, self._port)}
        _tell(tracker, [base.TrackerCode.UPDATE_INFO, info])

    def _next_client(self, tracker: socket.socket) -> Client:
        """Offer this device, and wait for the client that the tracker gives it to."""
        matchkey = self._offer(tracker)
        taken_s = 0.0
        while True:
            if select.select([self._listener], [], [], _PING_S)[0]:
                client = self._let_in(matchkey)
                if client is not None:
                    return client
            base.sendjson(tracker, [base.TrackerCode.GET_PENDING_MATCHKEYS])
            taken_s = 0.0 if matchkey in base.recvjson(tracker) else taken_s + _PING_S
            if taken_s > _UNUSED_S:
                # Given to a client that never came.
                matchkey, taken_s = self._offer(tracker), 0.0

    def _offer(self, tracker: socket.socket) -> str:
        matchkey: str = base.random_key(self._key)
        _tell(tracker, [base.TrackerCode.PUT, self._key, (self._port, matchkey), self._host])
        return matchkey

    def _let_in(self, matchkey: str) -> Client | None:
        """The client at the door, if it knows the word; anybody else is turned away, and so is one that is silent."""
        connection, _ = self._listener.accept()
        try:
            connection.settimeout(_HANDSHAKE_S)
            magic, length = struct.unpack("<ii", base.recvall(connection, 8))
            if magic != base.RPC_MAGIC or not 0 < length < 4096:
                raise OSError("no client of TVM")
            word, *others = base.recvall(connection, length).decode().split()
            if word != f"client:{matchkey}":
                connection.sendall(struct.pack("<i", base.RPC_CODE_MISMATCH))
                raise OSError("another device was meant")
            greeting = f"server:{self._key}".encode()
            connection.sendall(struct.pack("<ii", base.RPC_CODE_SUCCESS, len(greeting)) + greeting)
            connection.settimeout(None)
        except (OSError, ValueError):
            connection.close()
            return None
        limits = [float(other.partition("=")[2]) for other in others if other.startswith("-timeout=")]
        return Client(connection, limits[0] if limits else None)

    def _session(self, client: Client, tracker: socket.socket) -> None:
        """Serve a client in a process of its own until it leaves, crashes, or its time is over."""
        with closing(client.connection):
            work = utils.tempdir()
            process = _FORK.Process(target=_serve_client, args=(client, work, [self._listener, tracker]), daemon=True)
            process.start()
            try:
                process.join(client.limit_s)
                if process.is_alive():
                    _say(f"a session took longer than its {client.limit_s:g} s and is ended")
                    with suppress(OSError):
                        _ffi_api.ReturnException(
                            client.connection.fileno(), f"RPCSessionTimeoutError: longer than {client.limit_s:g} s"
                        )
                elif process.exitcode:
                    _say(f"a session broke off (exit code {process.exitcode})")
            finally:
                process.kill()
                process.join()
            work.remove()


def _serve_client(client: Client, work: Any, others: Sequence[socket.socket]) -> None:
    """Answer one client. Runs in a process that ends with the server's."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for connection in others:
        connection.close()
    os.chdir(work.temp_dir)
    tempfile.tempdir = work.temp_dir
    _server_env(None, work)
    try:
        _ffi_api.ServerLoop(client.connection.fileno())
    except Exception as error:
        _say(" ".join(str(error).split())[:200])
        sys.exit(1)


def _tell(tracker: socket.socket, message: list[Any]) -> None:
    base.sendjson(tracker, message)
    if base.recvjson(tracker) != base.TrackerCode.SUCCESS:
        raise OSError("the tracker refused")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of a board: exit code 0 when interrupted, 2 for a wrong call."""
    parser = argparse.ArgumentParser(
        prog="python -m blockfront.board.server", description="Serve this board over TVM RPC."
    )
    parser.add_argument("--tracker", required=True, metavar="HOST:PORT", help="tracker to register with")
    parser.add_argument("--key", required=True, help="under which name; a target's own name unless it has another key")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help=f"port to listen at (default: the first free from {PORTS[0]})")
    parser.add_argument("--name", help="what to call this board (default: the machine's name)")
    parser.add_argument("--emulated", action="store_true", help="say that times here mean nothing")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve(parse_address(given.tracker), given.key, given.host, given.port, given.name, emulated=given.emulated)
    except KeyboardInterrupt:
        return 0
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
