"""Kernels cut into parts along their columns, each scheduled on its own, so that every vector is whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm import tirx
from tvm.s_tir import SBlock, SBlockRealize, Schedule

from blockfront.targets.compiler.schedules import contraction
from blockfront.targets.compiler.schedules.analysis import variables
from blockfront.targets.compiler.schedules.inlining import root_blocks
from blockfront.targets.compiler.schedules.rule import suited
from blockfront.targets.hardware.machine import Machine


def part_widths(schedule: Schedule, machine: Machine) -> list[int]:
    """How many columns each part of the kernel is to have; empty unless the kernel is a contraction alone with what
    is done to its result, and parts promise to take less time."""
    first, *others = root_blocks(schedule)
    machine = suited(machine, first)
    alone = contraction.matches(first, machine) and len(others) <= 1
    if not alone or any(block.volume != first.volume or block.column is None for block in others):
        return []
    widths = contraction.column_widths(schedule, first, machine)
    return widths if len(widths) > 1 else []


def cut(function: tirx.PrimFunc, widths: Sequence[int]) -> list[tirx.PrimFunc]:
    """`function` once for each part, with loops over the columns of that part only."""
    starts = [sum(widths[:i]) for i in range(len(widths))]
    return [
        with_root(function, _narrowed(function.body.block.body, start, width), [])
        for start, width in zip(starts, widths, strict=True)
    ]


def joined(parts: Sequence[tirx.PrimFunc]) -> tirx.PrimFunc:
    """One function that runs scheduled parts of one kernel after another."""
    roots = [part.body.block for part in parts]
    buffers = [buffer for root in roots[1:] for buffer in root.alloc_buffers]
    return with_root(parts[0], tirx.SeqStmt([root.body for root in roots]), buffers)


def _narrowed(statement: Any, start: int, width: int) -> Any:
    if isinstance(statement, tirx.SeqStmt):
        return tirx.SeqStmt([_narrowed(part, start, width) for part in statement.seq])
    loops = []
    while isinstance(statement, tirx.For):
        loops.append(statement)
        statement = statement.body
    (column,) = variables(statement.block.body.indices[-1])
    position = next(i for i, item in enumerate(statement.block.iter_vars) if str(item.var.name) == column)
    values = list(statement.iter_values)
    over = values[position]
    values[position] = over + start
    result: Any = SBlockRealize(values, statement.predicate, statement.block)
    for loop in reversed(loops):
        extent = width if loop.loop_var.same_as(over) else loop.extent
        result = tirx.For(loop.loop_var, loop.min, extent, loop.kind, result)
    return result


def with_root(function: tirx.PrimFunc, body: Any, more_buffers: list[Any], without: Any = None) -> tirx.PrimFunc:
    """`function` with another body, which needs `more_buffers` than it had, and one not."""
    root = function.body.block
    buffers = [buffer for buffer in (*root.alloc_buffers, *more_buffers) if not buffer.same_as(without)]
    block = SBlock(root.iter_vars, root.reads, root.writes, root.name_hint, body, root.init, buffers)
    return function.with_body(SBlockRealize([], function.body.predicate, block))
