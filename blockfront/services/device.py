"""The device that a processor's code is to be timed on, for commands that take no prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockfront.errors import UsageError

if TYPE_CHECKING:
    from blockfront.targets import Measures, Processor, RunOptions


def choose_measuring(
    processor: Processor, runner: str, tracker: str | None, threads: int | None
) -> tuple[Measures, RunOptions]:
    """What measures TVM's code on a device of `processor`, and with which options.

    Raises `UsageError` as `choose` does, and where there is no device.
    """
    from blockfront.targets import Asked, choose
    from blockfront.targets.latency.selection import AUTO

    means = choose(Asked(processor, threads, tracker=tracker), "tvm", runner)
    if means.measures is None:
        board = f"attach a board with key {processor.tracker_key} to a TVM RPC tracker and pass --tracker HOST:PORT"
        remedy = board if runner == AUTO and not processor.local else "leave --runner out"
        raise UsageError(f"runner {means.meter.name} measures nothing; {remedy}")
    return means.measures, means.options
