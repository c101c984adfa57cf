"""Commands that may be stopped: what is finished is kept, and the same command goes on."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

INTERRUPTED = 130


@contextmanager
def stoppable() -> Iterator[None]:
    """End with exit code 130 and the line to go on with on Ctrl-C, or on a batch system's SIGTERM."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        again = shlex.join(["bench", *sys.argv[1:]])
        print(f"stopped; what is finished is kept, go on with: {again}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)
