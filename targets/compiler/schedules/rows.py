"""Softmax, layer norm and other kernels that reduce along the dimension stored innermost."""

from __future__ import annotations

from collections.abc import Collection

from tvm.s_tir import Schedule

from blockfront.targets.compiler.schedules.analysis import KernelBlock, extent, spatial
from blockfront.targets.compiler.schedules.epilogue import vectorize_innermost
from blockfront.targets.compiler.schedules.inlining import is_padding, root_blocks
from blockfront.targets.hardware.machine import Machine


def matches(block: KernelBlock, machine: Machine) -> bool:
    """The innermost index of everything read is the reduction's last variable."""
    return bool(block.reduced) and all(
        read.used[-1] == {block.reduced[-1]} and read.contiguous(block.reduced[-1])
        for read in (read.trimmed for read in block.reads)
        if read.uses(block.reduced[-1])
    )


def matches_apart(block: KernelBlock, machine: Machine) -> bool:
    """Whatever else reduces, as a diagonal or a channel of an image does: values lie apart, and are read one by one."""
    return bool(block.reduced)


def apply(schedule: Schedule, block: KernelBlock, machine: Machine, constants: Collection[str]) -> None:
    """Schedule the whole kernel that `block` is part of: all its blocks one row at a time, rows in parallel.

    A border that every row reads is written once, before them. A reduction keeps one partial result for each lane of a
    vector and adds those up at the end of the row.
    """
    last = root_blocks(schedule)[-1]
    if last.is_reduction:
        last = KernelBlock(schedule, schedule.cache_write(last.handle, 0, "global"))
    rows = len(spatial(block))
    # Where a number is left there may be no loop over rows, which blocks could be moved into.
    if rows == 0 or not schedule.get_loops(last.handle):
        for one in root_blocks(schedule):
            schedule.add_unit_loop([*schedule.get_loops(one.handle), one.handle][0])
        rows = 1
    for reduction in root_blocks(schedule):
        if reduction.is_reduction:
            _keep_partial_results(schedule, reduction, machine)
    row = schedule.fuse(*schedule.get_loops(last.handle)[:rows])
    before = [one for one in root_blocks(schedule)[:-1] if not is_padding(one)]
    for earlier in reversed(before):
        schedule.compute_at(earlier.handle, row, preserve_unit_loops=True)
    schedule.parallel(row)
    for earlier in before:
        if earlier.is_reduction:
            _schedule_reduction(schedule, earlier)
        else:
            vectorize_innermost(schedule, schedule.get_loops(earlier.handle)[-1], machine)
    if len(loops := schedule.get_loops(last.handle)) > 1:
        vectorize_innermost(schedule, loops[-1], machine)


def _keep_partial_results(schedule: Schedule, block: KernelBlock, machine: Machine) -> None:
    if block.starts_from_memory:
        return  # Each lane would start from it.
    loop = schedule.get_loops(block.handle)[-1]
    lanes = machine.widest_vector(extent(schedule, loop))
    if lanes > 1:
        schedule.rfactor(schedule.split(loop, [None, lanes])[1], len(spatial(block)))


def _schedule_reduction(schedule: Schedule, block: KernelBlock) -> None:
    """Reduction loops outside; a block of partial results has one loop of lanes left inside them."""
    loops = schedule.get_loops(block.handle)[-len(block.extents) :]
    kinds = dict(zip(block.extents, loops, strict=True))
    # Of the output's variables the loops inside a row have one value each, but for the lane.
    lanes = [kinds[name] for name in spatial(block) if extent(schedule, kinds[name]) > 1]
    units = [kinds[name] for name in spatial(block) if extent(schedule, kinds[name]) == 1]
    steps = [loop for name, loop in kinds.items() if name not in spatial(block)]
    schedule.reorder(*units, *steps, *lanes)
    if lanes:
        schedule.vectorize(lanes[-1])
    schedule.decompose_reduction(block.handle, steps[0])
