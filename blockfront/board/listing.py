"""What is attached to a tracker, and what the free boards tell of themselves."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Literal

from blockfront.board.connection import Connection
from blockfront.board.description import Board
from blockfront.board.sockets import Address, format_address
from blockfront.board.tracker import read_summary, request
from blockfront.errors import RunError

_WAIT_S = 2.0
_SESSION_S = 10.0


@dataclass(frozen=True)
class Attached:
    """A device of a tracker.

    A `silent` one does not answer although the tracker takes it for free. `board` is what a free one tells: None where
    TVM's own server runs, or another version of this one, which `note` says.
    """

    key: str
    address: str
    state: Literal["free", "busy", "silent"]
    board: Board | None = None
    note: str = ""


def attached(tracker: Address) -> list[Attached]:
    """Every device the tracker knows, by key and address; a device that is silent costs some seconds.

    Raises OSError when no tracker answers.
    """
    summary = read_summary(tracker)
    found: dict[tuple[str, str], Attached] = {
        (key, format_address(address)): Attached(key, format_address(address), "busy")
        for key, addresses in summary.devices.items()
        for address in addresses
    }
    for key, free in summary.free.items():
        # Each is held until all have been asked, or one might be asked twice.
        with ExitStack() as held:
            for _ in range(free):
                if (one := _next(tracker, key, held)) is None:
                    break
                found[key, one.address] = one
    return sorted(found.values(), key=lambda one: (one.key, one.address))


def _next(tracker: Address, key: str, held: ExitStack) -> Attached | None:
    """The next free device of that key, None when somebody else was faster."""
    grant = request(tracker, key, _WAIT_S)
    if grant is None:
        return None
    address = format_address(grant.address)
    try:
        connection = held.enter_context(closing(Connection(grant, _SESSION_S)))
    except RunError as error:
        return Attached(key, address, "free", note=str(error))
    except Exception:
        return Attached(key, address, "silent")
    note = "" if connection.board else "TVM's own server"
    return Attached(key, address, "free", connection.board, note)
