"""Kernels so short that one core has done them before others have started."""

from __future__ import annotations

from math import prod
from typing import Any

from tvm import tirx
from tvm.s_tir import Schedule

from blockfront.targets.compiler.schedules.analysis import walk
from blockfront.targets.compiler.schedules.cutting import with_root
from blockfront.targets.compiler.schedules.inlining import root_blocks
from blockfront.targets.hardware.machine import Machine

# Starting the cores takes up to 5 µs (docs/prediction.md), which are this many cycles at 2 GHz.
_LAUNCH_CYCLES = 10_000


def is_short(schedule: Schedule, machine: Machine) -> bool:
    """Whether sharing an unscheduled kernel between cores would save less than starting them takes.

    A vector's worth of each operation is a cycle.
    """
    blocks = root_blocks(schedule)
    operations = sum(prod(block.extents.values()) * sum(1 for _ in walk(block.stmt.body.value)) for block in blocks)
    lanes = machine.of_halves().lanes if all(block.has_halves for block in blocks) else machine.lanes
    return operations / lanes * (1 - 1 / machine.threads) < _LAUNCH_CYCLES


def on_one_core(function: tirx.PrimFunc) -> tirx.PrimFunc:
    """A scheduled kernel without its parallel loops."""
    return with_root(function, _serial(function.body.block.body), [])


def _serial(statement: Any) -> Any:
    if isinstance(statement, tirx.SeqStmt):
        return tirx.SeqStmt([_serial(part) for part in statement.seq])
    if not isinstance(statement, tirx.For):
        return statement
    kind = tirx.ForKind.SERIAL if statement.kind == tirx.ForKind.PARALLEL else statement.kind
    header = (statement.loop_var, statement.min, statement.extent, kind)
    return tirx.For(*header, _serial(statement.body), statement.thread_binding, statement.annotations)
