"""`bench board emulate`: boards in software."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from blockfront.commands.options import Debug, Tracker
from blockfront.errors import UsageError


def emulate(
    target: Annotated[str, typer.Argument(help="Hardware: an aarch64 target of `bench targets`, or file.py:name.")],
    tracker: Tracker = None,
    key: Annotated[str | None, typer.Option(help="Name to register under (default: the target's).")] = None,
    devices: Annotated[int, typer.Option(help="How many boards.")] = 1,
    host: Annotated[str, typer.Option(help="Address the boards listen at.")] = "127.0.0.1",
    debug: Debug = False,
) -> None:
    """Emulate boards with QEMU until Ctrl-C: they run a board's very code, in times that mean nothing.

    The first call downloads an arm64 Python and TVM. Without --tracker a tracker is started too, on loopback.
    """
    from blockfront.board.connection import ask_tracker
    from blockfront.board.sockets import format_address, is_loopback, parse_address
    from blockfront.console.tables import print_line
    from blockfront.targets import get_target
    from blockfront.targets.latency.emulation import (
        await_end,
        check_emulable,
        emulated_boards,
        own_tracker,
        prepare_emulation,
    )

    if devices < 1:
        raise UsageError(f"--devices must be 1 or more, not {devices}")
    chosen = get_target(target)
    check_emulable(chosen)
    given = parse_address(tracker) if tracker else None
    if given and is_loopback(host) and not is_loopback(given[0]):
        raise UsageError("boards at a tracker elsewhere need an address that is reached from there: pass --host")
    if given:
        ask_tracker(given)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        emulation = prepare_emulation(chosen)
        address = given or own_tracker()
        print_line(f"emulating {chosen.name}: {emulation.title}")
        with emulated_boards(emulation, address, key=key, devices=devices, host=host) as boards:
            for number, board in enumerate(boards, 1):
                board.await_registration()
                print_line(f"device {number} of {devices} is {board.key} at {format_address(board.address)}")
            print_line(
                f"tracker {format_address(address)}, for example: bench board list --tracker {format_address(address)}"
            )
            print_line("Ctrl-C ends it")
            await_end(boards)
    except KeyboardInterrupt:
        return
