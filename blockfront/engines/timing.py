"""Timing an inference in this process, and counting the threads that it keeps busy."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_TASKS = Path("/proc/self/task")
_COUNTED_S = 0.2
"""Linux tells a thread's time in hundredths of a second: over less, nothing is known of who works."""


def sample_ms(call: Callable[[], Any], number: int, repeat: int) -> tuple[list[float], int | None]:
    """The mean milliseconds of `number` calls one after the other, `repeat` times, and how many threads worked.

    A thread counts that worked a tenth as long as the one that worked most; None where that took less than 0.2 s.
    """
    samples: list[float] = []
    before, began = _thread_seconds(), time.perf_counter()
    for _ in range(repeat):
        start = time.perf_counter()
        for _ in range(number):
            call()
        samples.append(1e3 * (time.perf_counter() - start) / number)
    if time.perf_counter() - began < _COUNTED_S:
        return samples, None
    spent = [seconds - before.get(thread, 0.0) for thread, seconds in _thread_seconds().items()]
    return samples, sum(seconds > max(spent) / 10 for seconds in spent) or None


def _thread_seconds() -> dict[str, float]:
    """Thread to the seconds it has worked (proc(5), fields 14 and 15 of stat); nothing where there is no Linux."""
    found = {}
    for task in _TASKS.glob("*/stat"):
        # A thread may end meanwhile; its name, in brackets, may hold blanks.
        fields = task.read_text().rpartition(")")[2].split()
        found[task.parent.name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found
