"""Addresses as users write them, and connections whose other end may vanish without a word."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from blockfront.errors import UsageError

Address = tuple[str, int]
"""Host and port."""

_IDLE_S, _BETWEEN_S, _PROBES = 30, 10, 3


def tracker_address(given: str | None) -> str | None:
    """HOST:PORT as given, or of TVM's environment variables, or None."""
    if given:
        return given
    host, port = os.environ.get("TVM_TRACKER_HOST"), os.environ.get("TVM_TRACKER_PORT")
    return f"{host}:{port}" if host and port else None


def parse_address(text: str) -> Address:
    """HOST:PORT; raises UsageError for anything else."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"tracker {text!r}: write HOST:PORT, for example 127.0.0.1:9190")
    return host.strip("[]"), int(port)


def format_address(address: Address) -> str:
    """An address as HOST:PORT."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server there."""
    return host == "localhost" or host == "::1" or host.startswith("127.")


def listen(host: str, ports: range) -> socket.socket:
    """A socket that listens on the first of the ports that is free; raises UsageError when none is."""
    reason = "no port given"
    for port in ports:
        try:
            family = socket.getaddrinfo(host, port, proto=socket.IPPROTO_TCP)[0][0]
            listener = socket.create_server((host, port), family=family)
        except OSError as error:
            reason = error.strerror or str(error)
            continue
        keep_alive(listener)
        return listener
    which = f"port {ports[0]}" if len(ports) == 1 else f"ports {ports[0]} to {ports[-1]}"
    raise UsageError(f"cannot listen on {which} of {host}: {reason}; name another with --port")


def keep_alive(connection: socket.socket) -> None:
    """Let the system ask the other end for a sign of life: one that vanished is noticed after a minute.

    What a listening socket accepts inherits it.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", _IDLE_S), ("TCP_KEEPINTVL", _BETWEEN_S), ("TCP_KEEPCNT", _PROBES)):
        with suppress(AttributeError, OSError):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
