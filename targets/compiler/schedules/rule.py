"""What a schedule rule is, and what is known where a kernel gets no schedule."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tvm.s_tir import Schedule

from blockfront.errors import debugging, first_line
from blockfront.targets.compiler.schedules.analysis import KernelBlock
from blockfront.targets.compiler.schedules.tiles import Packing
from blockfront.targets.hardware.machine import Machine


@dataclass(frozen=True)
class Rule:
    """One way to schedule blocks of a kernel, as dlight's `ScheduleRule` is one for whole kernels.

    `matches` says from what a block computes whether the rule can schedule it on a machine. `apply` schedules the
    block, given the names of the kernel's constant arguments, and returns the layout in which it wants one of them, if
    any. `whole`: it schedules all blocks of the kernel along with the one that matched.
    """

    name: str
    matches: Callable[[KernelBlock, Machine], bool]
    apply: Callable[[Schedule, KernelBlock, Machine, Collection[str]], Packing | None]
    whole: bool = False


def suited(machine: Machine, block: KernelBlock) -> Machine:
    """The machine as a block uses it: for float16, dot products of bytes, bytes that are widened, or float32."""
    if block.has_halves:
        return machine.of_halves()
    if block.is_dot and not block.zips:
        return machine.of_dot_products()
    return machine.of_bytes(block.widens) if block.has_bytes or block.zips else machine


class NotScheduled(Exception):
    """No rule matches a kernel, or a step failed on it: the message is the reason, in one line."""


@contextmanager
def reported_as(step: str) -> Iterator[None]:
    """Whatever fails within becomes `NotScheduled` with the step's name; with `BENCH_DEBUG` it stays what it is."""
    try:
        yield
    except NotScheduled:
        raise
    except Exception as error:
        if debugging():
            raise
        raise NotScheduled(f"{step} failed: {_told(error)}") from error


def _told(error: Exception) -> str:
    """An error in one line: its first, and where TVM prints a kernel below that, what it says after the kernel."""
    _, _, message = str(error).partition("\nError message: ")
    return " ".join([first_line(error), *message.splitlines()[:1]])
