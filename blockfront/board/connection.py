"""A session with a device that a tracker hands out: bounded in time, and its failures told apart.

TVM's client, written in C++, waits for ever: for the connection, for every answer, and, holding Python's lock, whenever
something remote is freed. So its socket gets a time limit of the system's.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
import psutil
from tvm import rpc

from blockfront.board.description import Board, Threads
from blockfront.board.offers import PREFIX
from blockfront.board.sockets import Address, format_address, keep_alive
from blockfront.board.state import State
from blockfront.board.tracker import Grant, Summary, read_summary, request
from blockfront.errors import DeviceLost, DeviceTimeout, DeviceUnavailable, RunError, UsageError

T = TypeVar("T")

_CONNECT_S = 15.0
_GRACE_S = 10.0
_PAUSE_S = 1.0
_EXPIRED = "RPCSessionTimeoutError"


class Connection:
    """An open session; close it whatever happens. `board` is None when TVM's own server runs there.

    Raises OSError, or what TVM raises, when the device does not let us in.
    """

    def __init__(self, grant: Grant, limit_s: float) -> None:
        self.address = format_address(grant.address)
        self._limit_s = limit_s
        self._end = time.monotonic() + limit_s
        self.remote, self._socket = _open_session(grant, limit_s)
        try:
            self.board = self._ask("describe", Board)
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """The board's own name and its address."""
        return f"{self.board.name} ({self.address})" if self.board else self.address

    def state(self) -> State | None:
        """The board's state now, where its server tells."""
        return self._ask("state", State)

    def configure(self, cpus: tuple[int, ...], threads: int) -> Threads | None:
        """See `blockfront.board.offers`; None when TVM's own server runs there."""
        return self._ask("configure", Threads, ",".join(str(cpu) for cpu in cpus), threads)

    def load(self, name: str, library: bytes) -> Any:
        """A library as a module there, uploaded unless the board has kept it under this name."""
        return self.remote.load_module(self.keep(name, library))

    def keep(self, name: str, content: bytes) -> str:
        """The path of a file there, uploaded unless the board has kept it under this name."""
        find, keep = self.function("find"), self.function("keep")
        if find is None or keep is None:
            self.remote.upload(bytearray(content), name)
            return name
        return str(find(name)) or str(keep(name, bytearray(content)))

    def function(self, name: str) -> Callable[..., Any] | None:
        """A function of `blockfront.board.offers`, None when TVM's own server runs there."""
        try:
            found: Callable[..., Any] = self.remote.get_function(PREFIX + name)
        except AttributeError:
            return None
        return found

    def failure(self, error: Exception) -> Exception:
        """What an error during the session means: a `DeviceTimeout`, a `DeviceLost`, or what the device reports."""
        if isinstance(error, RunError | UsageError):
            return error
        if _EXPIRED in str(error) or time.monotonic() > self._end:
            return DeviceTimeout(
                f"device {self.name} did not finish within {self._limit_s:g} s: a kernel hangs or is far too slow"
            )
        if self._is_lost():
            return DeviceLost(f"device {self.name} went away in the middle of a session")
        return RunError(f"device {self.name}: {_last_line(error)}")

    def close(self) -> None:
        """End the session: the device is free again, and nothing that is freed later waits for it."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _is_lost(self) -> bool:
        """Whether the other end has closed the connection, or the system has given it up."""
        try:
            return self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _ask(self, name: str, answer: type[T], *arguments: Any) -> T | None:
        function = self.function(name)
        if function is None:
            return None
        try:
            return msgspec.json.decode(str(function(*arguments)), type=answer)
        except msgspec.MsgspecError as error:
            raise DeviceUnavailable(
                f"device {self.address} runs another version of bench ({error}); install this one there"
            ) from error


def _open_session(grant: Grant, limit_s: float) -> tuple[rpc.RPCSession, socket.socket]:
    """TVM's session, and the socket it speaks through."""
    host, port = grant.address
    number = str(socket.getaddrinfo(host, port, proto=socket.IPPROTO_TCP)[0][4][0])
    opened: list[Any] = []

    def open_it() -> None:
        try:
            opened.append(rpc.connect(number, port, grant.matchkey, session_timeout=limit_s))
        except Exception as error:
            opened.append(error)

    before = _sockets_to((number, port))
    thread = threading.Thread(target=open_it, daemon=True)
    thread.start()
    thread.join(_CONNECT_S)
    handles = [fd for local, fd in _sockets_to((number, port)).items() if local not in before]
    ours = socket.socket(fileno=os.dup(handles[0])) if handles else None
    if not opened:
        if ours is not None:
            with suppress(OSError), ours:
                ours.shutdown(socket.SHUT_RDWR)
        raise TimeoutError(f"no answer within {_CONNECT_S:g} s")
    if isinstance(opened[0], Exception):
        raise opened[0]
    if ours is None:
        raise OSError("it hung up")
    keep_alive(ours)
    # For one answer: what the device is asked may take as long as the session.
    limit = struct.pack("ll", int(limit_s + _GRACE_S), 0)
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        ours.setsockopt(socket.SOL_SOCKET, option, limit)
    return opened[0], ours


def _sockets_to(address: Address) -> dict[Any, int]:
    """This process's sockets that are connected, or connecting, to an address: their local ends and descriptors."""
    return {
        found.laddr: found.fd
        for found in psutil.Process().net_connections("tcp")
        if found.raddr and (found.raddr.ip, found.raddr.port) == address
    }


def connect(tracker: Address, key: str, wait_s: float, limit_s: float) -> Connection:
    """A session of at most `limit_s` with the next free device of that key; waits `wait_s` for one.

    A tracker that is being started anew is waited for too, and a device that does not answer is passed over. Raises
    `DeviceUnavailable` with the reason when there is none in the end.
    """
    end = time.monotonic() + wait_s
    while True:
        try:
            grant = request(tracker, key, end - time.monotonic())
        except OSError as error:
            reason = silent(tracker, error)
        else:
            if grant is None:
                raise DeviceUnavailable(_none_free(tracker, key, wait_s))
            try:
                return Connection(grant, limit_s)
            except RunError:
                raise
            except Exception as error:
                reason = f"device {format_address(grant.address)} with key {key} does not answer: {_last_line(error)}"
        if time.monotonic() + _PAUSE_S > end:
            raise DeviceUnavailable(reason)
        time.sleep(_PAUSE_S)


def ask_tracker(tracker: Address) -> Summary:
    """What the tracker knows; raises UsageError when none answers."""
    try:
        return read_summary(tracker)
    except OSError as error:
        raise UsageError(silent(tracker, error)) from error


def silent(tracker: Address, error: OSError) -> str:
    """What to say of a tracker that does not answer."""
    host, port = tracker
    return (
        f"no tracker answers at {format_address(tracker)} ({error.strerror or error}); start one: "
        f"bench board tracker --host {host} --port {port}"
    )


def no_such_device(tracker: Address, key: str) -> str:
    """What to say of a tracker without a device of that key."""
    return (
        f"the tracker at {format_address(tracker)} has no device with key {key}; on the board run: "
        f"bench board serve --tracker HOST:PORT --key {key}"
    )


def _none_free(tracker: Address, key: str, wait_s: float) -> str:
    try:
        count = read_summary(tracker).count(key)
    except OSError as error:
        return silent(tracker, error)
    if count == 0:
        return no_such_device(tracker, key)
    which = f"the device with key {key}" if count == 1 else f"all {count} devices with key {key}"
    return f"{which} stayed busy for {wait_s:g} s; see bench board list --tracker {format_address(tracker)}"


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
