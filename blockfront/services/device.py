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

    means = choose(Asked(processor, threads, tracker=tracker), "tvm", runner)
    if means.measures is None:
        raise UsageError(
            f"nothing is measured by runner {means.meter.name}: attach a board with key {processor.tracker_key} to a "
            "TVM RPC tracker and pass --tracker HOST:PORT"
        )
    return means.measures, means.options
