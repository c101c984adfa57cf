"""Calls in processes of their own: one that crashes or takes too long costs that call alone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any

_START_S = 300
_BEGUN = "begun"


@dataclass(frozen=True)
class Failure:
    """Why a call gave nothing, in one line."""

    reason: str


class Processes:
    """Up to `count` processes, each started when it is needed and all ended with the context.

    A call may take `timeout_s`. TVM's own pool is not used for this: an interrupted search would wait in it for
    ever, and leave processes behind.
    """

    def __init__(self, count: int, timeout_s: float) -> None:
        self._count = count
        self._timeout_s = timeout_s
        self._idle: list[_Process] = []
        self._busy: list[_Process] = []

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in [*self._idle, *self._busy]:
            process.end()

    def map(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        """What `function` gives for each of the calls in their order, or a `Failure`."""
        waiting = deque(enumerate(calls))
        done: dict[int, Any] = {}
        for index in range(len(calls)):
            while index not in done:
                while waiting and len(self._busy) < self._count:
                    process = self._idle.pop() if self._idle else _Process()
                    self._busy.append(process)
                    process.begin(*waiting.popleft(), function)
                done |= self._finished()
            yield done.pop(index)

    def _finished(self) -> dict[int, Any]:
        """Results by the index of their call, once something happened."""
        ready = wait([process.pipe for process in self._busy], min(process.left_s for process in self._busy))
        results: dict[int, Any] = {}
        for process in list(self._busy):
            if process.pipe in ready:
                result = process.receive(self._timeout_s)
            elif process.left_s > 0:
                continue
            else:
                result = Failure("took too long")
            if result == _BEGUN:
                continue
            self._busy.remove(process)
            results[process.index] = result
            if isinstance(result, Failure):
                process.end()
            else:
                self._idle.append(process)
        return results


class _Process:
    """A process with one call at a time."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.index = 0
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        # What is ignored here is ignored there: Ctrl-C is for the process that ends the others.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        theirs.close()
        self._end_s = time.monotonic() + _START_S

    @property
    def left_s(self) -> float:
        return max(0.0, self._end_s - time.monotonic())

    def begin(self, index: int, arguments: tuple[Any, ...], function: Callable[..., Any]) -> None:
        self.index = index
        self._end_s = time.monotonic() + _START_S
        # A process that has died in the meantime is noticed when its result is read.
        with suppress(OSError):
            self.pipe.send((function, arguments))

    def receive(self, timeout_s: float) -> Any:
        """The call's result; `_BEGUN` when its time begins, after the process has imported what it needs."""
        try:
            message = self.pipe.recv()
        except (EOFError, OSError):
            return Failure("its process crashed")
        if message == _BEGUN:
            self._end_s = time.monotonic() + timeout_s
            return _BEGUN
        return message

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _serve(pipe: Connection) -> None:
    """Answer calls until the other end of the pipe is closed; nothing is printed."""
    silent = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silent, stream)
    with suppress(EOFError):
        while True:
            function, arguments = pipe.recv()
            pipe.send(_BEGUN)
            try:
                result = function(*arguments)
            except Exception as error:
                result = Failure(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
            pipe.send(result)
