"""Standard output as the place of one JSON document."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO

_reserved: TextIO | None = None


def output() -> TextIO:
    """Where a document is written."""
    return _reserved or sys.stdout


@contextmanager
def reserved() -> Iterator[None]:
    """Standard output is for `output` alone meanwhile.

    What else is printed, here or in a child process, goes to standard error: a user's network may say something when it
    is built.
    """
    global _reserved
    outside, sys_stdout = _reserved, sys.stdout
    try:
        number = sys_stdout.fileno()
        error = sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):  # It is no file, as under a test.
        number = error = -1
    with redirect_stdout(sys.stderr):
        if number < 0 or error < 0:
            _reserved = sys_stdout
            try:
                yield
            finally:
                _reserved = outside
            return
        sys_stdout.flush()
        kept = os.dup(number)
        os.dup2(error, number)
        with os.fdopen(kept, "w", encoding=sys_stdout.encoding, errors=sys_stdout.errors) as stream:
            _reserved = stream
            try:
                yield
            finally:
                _reserved = outside
                os.dup2(kept, number)
