"""The tracker that hands out boards: running one, and asking one. TVM's client would wait for its answers for ever."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tvm.rpc import base

from blockfront.board.sockets import Address, format_address, listen

ANSWER_S = 3.0
"""How long a tracker may take to answer what it knows."""


@dataclass(frozen=True)
class Grant:
    """A device the tracker has handed out, and the word that its server lets us in with."""

    address: Address
    matchkey: str


@dataclass(frozen=True)
class Summary:
    """What a tracker knows: the addresses of the devices of each key, and how many of them are free."""

    devices: dict[str, tuple[Address, ...]]
    free: dict[str, int]

    def count(self, key: str) -> int:
        """Devices with that key, busy ones included."""
        return len(self.devices.get(key, ()))


def run_tracker(host: str, port: int) -> None:
    """Be TVM's tracker until interrupted. Raises UsageError when the port is taken."""
    listener = listen(host, range(port, port + 1))
    print(f"tracker at {format_address((host, port))}; Ctrl-C ends it", flush=True)
    serve_tracker(listener)


def serve_tracker(listener: socket.socket) -> None:
    """Be TVM's tracker at a listening socket until interrupted, or as long as the thread lives."""
    import asyncio
    import logging

    from tvm.rpc.tracker import TrackerServerHandler

    logging.getLogger("RPCTracker").setLevel(logging.WARNING)
    asyncio.set_event_loop(asyncio.new_event_loop())
    TrackerServerHandler(listener, base.random_key("tracker")).run()


def read_summary(address: Address) -> Summary:
    """What the tracker knows now. Raises OSError when none answers within seconds."""
    with _connected(address) as connection:
        found = _ask(connection, [base.TrackerCode.SUMMARY])
    devices: dict[str, tuple[Address, ...]] = {}
    for server in found["server_info"]:
        key = server["key"].removeprefix("server:")
        host, port = server["addr"]
        devices[key] = (*devices.get(key, ()), (host, port))
    return Summary(devices, {key: queue["free"] for key, queue in found["queue_info"].items()})


def request(address: Address, key: str, wait_s: float) -> Grant | None:
    """Wait in the tracker's queue for a device of that key; None when none became free.

    Raises OSError when no tracker answers, or it goes away meanwhile.
    """
    with _connected(address) as connection:
        connection.settimeout(max(wait_s, 0.1))
        try:
            host, port, matchkey = _ask(connection, [base.TrackerCode.REQUEST, key, "", 1])
        except TimeoutError:
            return None
    return Grant((host, port), matchkey)


@contextmanager
def _connected(address: Address) -> Iterator[socket.socket]:
    """A connection after the tracker's handshake."""
    magic = struct.pack("<i", base.RPC_TRACKER_MAGIC)
    with socket.create_connection(address, timeout=ANSWER_S) as connection:
        connection.sendall(magic)
        if connection.recv(len(magic), socket.MSG_WAITALL) != magic:
            raise OSError("something else listens there")
        yield connection


def _ask(connection: socket.socket, question: list[Any]) -> Any:
    base.sendjson(connection, question)
    code, answer = base.recvjson(connection)
    if code != base.TrackerCode.SUCCESS:
        raise OSError(f"the tracker refused: {answer}")
    return answer
