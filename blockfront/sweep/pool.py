"""Tasks on a Dask cluster, a few at a time, with a limit on each and one line for whatever goes wrong."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blockfront.errors import CompilerTimeout, RunError, UsageError

if TYPE_CHECKING:
    from distributed import Client, Future

_POLL_SECONDS = 1.0
_ALONE_SECONDS = 300.0
"""How long a cluster may be without workers, which start anew in minutes on a busy machine."""
_TRACEBACK_CHARACTERS = 6000


@dataclass(frozen=True)
class WorkerCall:
    """A call for a worker, for the trial `number`."""

    number: int
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of a task: its future, or the reason it failed in one line, the error itself and the traceback."""

    number: int
    future: Future | None
    reason: str | None = None
    traceback: str | None = None
    error: BaseException | None = None

    def result(self) -> Any:
        """The task's value, brought here."""
        if self.future is None:
            raise RunError(self.reason or "the task failed")
        return self.future.result()


class Pool:
    """Runs tasks on `client`, at most `slots` at once, so that a task starts when it is handed over."""

    def __init__(self, client: Client, slots: int) -> None:
        self.client = client
        self.slots = slots

    def run(
        self, tasks: Iterable[WorkerCall], limit_s: float, resource: str | None = None, slots: int | None = None
    ) -> Generator[Outcome, None, None]:
        """Outcomes in the order they arrive. A task over its limit fails, and its worker is started anew.

        `slots` is another number of tasks to run at once. Close the generator before the client: what still runs is
        cancelled then. Raises `RunError` when the cluster has been without workers for minutes; until then no task is
        blamed for that.
        """
        from distributed import wait

        waiting = iter(tasks)
        running: dict[Future, tuple[int, float]] = {}
        alone = 0.0
        try:
            while True:
                while len(running) < (slots or self.slots) and (task := next(waiting, None)) is not None:
                    running[self._submit(task, resource)] = (task.number, time.monotonic() + limit_s)
                if not running:
                    return
                began = time.monotonic()
                with suppress(TimeoutError), self.client.as_current():
                    wait(list(running), timeout=_POLL_SECONDS, return_when="FIRST_COMPLETED")
                alone = 0.0 if self.client.nthreads() else alone + time.monotonic() - began
                if alone > _ALONE_SECONDS:
                    raise RunError(
                        f"the cluster has had no workers for {_ALONE_SECONDS / 60:g} minutes: they ended, and none was "
                        "started anew, as where memory or processors are short; run the same command again to go on"
                    )
                for future in [f for f in running if f.done()]:
                    number, _ = running.pop(future)
                    yield self._outcome(number, future)
                for future in [f for f, (_, end) in running.items() if not alone and time.monotonic() > end]:
                    number, _ = running.pop(future)
                    self._stop(future)
                    yield Outcome(number, None, f"took longer than its limit of {limit_s / 60:g} min")
        finally:
            for future in running:
                future.cancel()

    def run_alone(self, task: WorkerCall, limit_s: float, resource: str, needs: Sequence[Future]) -> Outcome:
        """One task with nothing else running: what it needs is there first, even if a worker lost it."""
        from distributed import wait

        if needs:
            with self.client.as_current():
                wait(list(needs))
        with closing(self.run([task], limit_s, resource)) as outcomes:
            return next(outcomes)

    def _submit(self, task: WorkerCall, resource: str | None) -> Future:
        resources = {resource: 1} if resource else None
        return self.client.submit(task.function, *task.arguments, pure=False, resources=resources)

    def _outcome(self, number: int, future: Future) -> Outcome:
        if future.status == "finished":
            return Outcome(number, future)
        if future.status != "error":
            raise RunError("the Dask scheduler went away; run the same command again to go on")
        error = future.exception()
        if isinstance(error, CompilerTimeout):
            self._restart(self.client.run_on_scheduler(_erred_on, key=future.key))
        lines = traceback.format_exception(type(error), error, future.traceback())
        return Outcome(number, None, reason(error), "".join(lines)[-_TRACEBACK_CHARACTERS:], error)

    def _stop(self, future: Future) -> None:
        addresses = [address for address, keys in self.client.processing().items() if future.key in keys]
        future.cancel()
        self._restart(addresses)

    def _restart(self, addresses: list[str]) -> None:
        # On a busy machine a start takes minutes, and a nanny that is told to give up leaves no worker behind.
        self.client.restart_workers(addresses, timeout=600, raise_for_error=False)


def _erred_on(dask_scheduler: Any, key: str) -> list[str]:
    """The addresses of the workers on which a task failed."""
    return list(dask_scheduler.tasks[key].erred_on)


def reason(error: BaseException) -> str:
    """An exception in one line, as it is kept in a trial and counted in the summary."""
    from distributed.scheduler import KilledWorker

    if isinstance(error, KilledWorker):
        return "the worker process died again and again: native code crashed, or memory ran out"
    text = " ".join(str(error).split())[:300]
    if isinstance(error, UsageError | RunError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
