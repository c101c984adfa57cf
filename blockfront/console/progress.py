"""Progress of a sweep on standard error: bars on a terminal, a line now and then elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

LINE_SECONDS = 20.0
"""How long a stage stays silent between two lines where there is no terminal."""

Advance = Callable[[], None]


class Progress(Protocol):
    """Where a sweep says what it is doing."""

    def note(self, line: str) -> None:
        """Show one line."""

    def stage(self, title: str, total: int) -> AbstractContextManager[Advance]:
        """A context for a stage of `total` steps; it gives a function to call after each."""


class Silent:
    """Shows nothing."""

    def note(self, line: str) -> None:
        return

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Advance]:
        yield lambda: None


class Lines:
    """Plain lines for logs: at the start and the end of a stage, and every 20 s in between."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def note(self, line: str) -> None:
        print(line, file=self.stream, flush=True)

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Advance]:
        start = last = time.monotonic()
        done = 0

        def advance() -> None:
            nonlocal done, last
            done += 1
            now = time.monotonic()
            if done == total:
                self.note(f"{title}: {done} of {total}, {_duration(now - start)}")
            elif now - last >= LINE_SECONDS:
                last = now
                left = _duration((now - start) / done * (total - done))
                self.note(f"{title}: {done} of {total}, about {left} left")

        self.note(f"{title}: {total} to do")
        yield advance


class Bars:
    """One bar a stage, with the time left."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True)

    def note(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False)

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Advance]:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.description:<8}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left", markup=False),
            # Stages advance a few times a minute; the default window of 30 s would see nothing.
            TimeRemainingColumn(elapsed_when_finished=False),
        )
        with RichProgress(*columns, console=self.console, speed_estimate_period=3600) as bars:
            task = bars.add_task(title, total=total)
            yield lambda: bars.advance(task)


def choose_progress(*, quiet: bool) -> Silent | Lines | Bars:
    """Bars where standard error is a terminal, lines where it is not, nothing when quiet."""
    if quiet:
        return Silent()
    return Bars() if sys.stderr.isatty() else Lines(sys.stderr)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
