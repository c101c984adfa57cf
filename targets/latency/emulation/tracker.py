"""The tracker of our own that emulated boards register with, where none runs already."""

from __future__ import annotations

import threading

from blockfront.board.sockets import Address, listen
from blockfront.board.tracker import serve_tracker

_PORTS = range(9190, 9290)


def own_tracker() -> Address:
    """Start a tracker on loopback, on the first free port from 9190; it lives as long as this process."""
    listener = listen("127.0.0.1", _PORTS)
    threading.Thread(target=serve_tracker, args=(listener,), daemon=True).start()
    host, port = listener.getsockname()
    return host, port
