"""The tracker that emulated boards register with: one of our own, or one that runs already."""

from __future__ import annotations

import threading

from bench.board.connection import silent
from bench.board.sockets import Address, listen
from bench.board.tracker import read_summary, serve_tracker
from bench.errors import UsageError

_PORTS = range(9190, 9290)


def own_tracker() -> Address:
    """Start a tracker on loopback, on the first free port from 9190; it lives as long as this process."""
    listener = listen("127.0.0.1", _PORTS)
    threading.Thread(target=serve_tracker, args=(listener,), daemon=True).start()
    host, port = listener.getsockname()
    return host, port


def check_tracker(address: Address) -> None:
    """Raise `UsageError` when no tracker answers there."""
    try:
        read_summary(address)
    except OSError as error:
        raise UsageError(silent(address, error)) from error
