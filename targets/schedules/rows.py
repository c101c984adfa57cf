"""Softmax, layer norm and other kernels that reduce along the dimension stored innermost."""

from __future__ import annotations

from tvm.s_tir import Schedule

from bench.targets.schedules.analysis import Block, extent
from bench.targets.schedules.epilogue import vectorize_innermost
from bench.targets.schedules.inlining import root_blocks
from bench.targets.schedules.machine import Machine


def matches(block: Block) -> bool:
    """The innermost index of everything read is the reduction's last variable."""
    return bool(block.reduced) and all(
        read.used[-1] == {block.reduced[-1]} and read.contiguous(block.reduced[-1])
        for read in block.reads
        if read.uses(block.reduced[-1])
    )


def apply(schedule: Schedule, block: Block, machine: Machine) -> None:
    """Schedule the whole kernel that `block` is part of: all its blocks one row at a time, rows in parallel.

    A reduction keeps one partial result for each lane of a vector and adds those up at the end of the row.
    """
    *before, last = root_blocks(schedule)
    if last.is_reduction:
        before.append(last)
        last = Block(schedule, schedule.cache_write(last.handle, 0, "global"))
    count = len(_row_loops(block))
    loops = schedule.get_loops(last.handle)
    row = schedule.fuse(*loops[:count])
    schedule.parallel(row)
    for earlier in reversed(before):
        schedule.compute_at(earlier.handle, row, preserve_unit_loops=True)
    for earlier in before:
        _schedule_in_row(schedule, earlier, machine)
    _vectorize_last(schedule, last, machine)


def _row_loops(block: Block) -> list[str]:
    return [str(item.var.name) for item in block.stmt.iter_vars if item.iter_type == item.DataPar]


def _schedule_in_row(schedule: Schedule, block: Block, machine: Machine) -> None:
    if not block.is_reduction:
        _vectorize_last(schedule, block, machine)
        return
    loop = schedule.get_loops(block.handle)[-1]
    lanes = next(width for width in machine.vector_widths() if extent(schedule, loop) % width == 0)
    if lanes == 1:
        schedule.decompose_reduction(block.handle, loop)
        return
    _, lane = schedule.split(loop, [None, lanes])
    partial = schedule.rfactor(lane, 0)
    step, *_, lane = _reordered(schedule, partial)
    schedule.vectorize(lane)
    schedule.decompose_reduction(partial, step)
    schedule.decompose_reduction(block.handle, schedule.get_loops(block.handle)[-1])


def _reordered(schedule: Schedule, partial: object) -> list[object]:
    *_, step, lane = schedule.get_loops(partial)
    schedule.reorder(step, lane)
    return [step, lane]


def _vectorize_last(schedule: Schedule, block: Block, machine: Machine) -> None:
    loops = schedule.get_loops(block.handle)
    if len(loops) > 1:
        vectorize_innermost(schedule, loops[-1], machine)
