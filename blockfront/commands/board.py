"""`bench board`: boards that measure, and the tracker that hands them out."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from blockfront.commands.emulate import emulate
from blockfront.commands.options import Debug, Json, Tracker
from blockfront.errors import UsageError

if TYPE_CHECKING:
    from blockfront.board.listing import Attached
    from blockfront.board.state import Cpu

app = typer.Typer(name="board", help="Attach boards, and list those attached.", no_args_is_help=True)
app.command("emulate")(emulate)

_HEADERS = ["key", "address", "state", "board", "cores", "MHz", "governor", "°C", "throttled", "TVM", "machine"]

Host = Annotated[str, typer.Option(help="Address to listen at; whoever reaches it can run anything here.")]


@app.command()
def tracker(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 9190,
    debug: Debug = False,
) -> None:
    """Run the tracker that boards register with, until Ctrl-C."""
    from blockfront.board.tracker import run_tracker

    with _until_stopped():
        run_tracker(host, port)


@app.command()
def serve(
    tracker: Annotated[str, typer.Option(metavar="HOST:PORT", help="The tracker to register with.")],
    key: Annotated[str, typer.Option(help="Under which name: the target's, unless it has a key of its own.")],
    host: Host = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Port to listen at (default: the first free from 9091).")] = None,
    name: Annotated[str | None, typer.Option(help="What to call this board (default: the machine's name).")] = None,
    debug: Debug = False,
) -> None:
    """Serve this board to those who ask the tracker for its key, until Ctrl-C.

    A board needs no more of the suite than this: `python -m blockfront.board.server` takes the same options
    (docs/boards.md).
    """
    from blockfront.board.server import serve
    from blockfront.board.sockets import parse_address

    with _until_stopped():
        serve(parse_address(tracker), key, host, port, name)


@app.command("list")
def list_boards(tracker: Tracker = None, json: Json = False, debug: Debug = False) -> None:
    """List the boards of a tracker: free or busy, and what the free ones tell of themselves."""
    import msgspec

    from blockfront.board.connection import silent
    from blockfront.board.listing import attached
    from blockfront.board.sockets import parse_address, tracker_address
    from blockfront.console.tables import print_json, print_line, print_table

    address = tracker_address(tracker)
    if address is None:
        raise UsageError("boards are listed by a tracker: --tracker HOST:PORT or TVM_TRACKER_HOST and _PORT")
    parsed = parse_address(address)
    try:
        found = attached(parsed)
    except OSError as error:
        raise UsageError(silent(parsed, error)) from error
    if json:
        print_json(msgspec.to_builtins(found))
    elif found:
        print_table(_HEADERS, [list(_row(one).values()) for one in found])
    else:
        print_line(f"no board is attached to the tracker at {address}; docs/boards.md says how to attach one")


def _row(one: Attached) -> dict[str, str]:
    """Header to cell; what is not known is left empty."""
    row = dict.fromkeys(_HEADERS, "") | {"key": one.key, "address": one.address, "state": one.state, "board": one.note}
    if one.board is None:
        return row
    board, now = one.board, one.board.state
    return row | {
        "board": f"{board.name}, emulated" if board.emulated else board.name,
        "cores": _cores(board.cores),
        "MHz": ", ".join(dict.fromkeys(f"{mhz:.0f}" for mhz in now.mhz.values())),
        "governor": ", ".join(dict.fromkeys(now.governors.values())),
        "°C": "" if now.temperature is None else f"{now.temperature:.1f}",
        "throttled": "" if now.throttled is None else ", ".join(now.throttled) or "no",
        "TVM": board.tvm,
        "machine": board.machine,
    }


def _cores(cores: Sequence[Cpu]) -> str:
    """Equal cores counted: 4 × Cortex-A53 at 1416 MHz, 2 × Cortex-A72 at 1800 MHz."""
    counted: dict[str, int] = {}
    for core in cores:
        title = core.part if core.max_mhz is None else f"{core.part} at {core.max_mhz:.0f} MHz"
        counted[title] = counted.get(title, 0) + 1
    return ", ".join(f"{count} × {title}" for title, count in counted.items())


@contextmanager
def _until_stopped() -> Iterator[None]:
    """Ctrl-C and SIGTERM are how a server ends: no error."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        return
