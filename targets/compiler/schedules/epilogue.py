"""What stands around a tiled reduction: the border before it, its accumulators, and the block that stores."""

from __future__ import annotations

from typing import Any

from tvm.s_tir import Schedule

from blockfront.targets.compiler.schedules.analysis import KernelBlock, extent, spatial
from blockfront.targets.compiler.schedules.inlining import is_padding
from blockfront.targets.hardware.machine import Machine


def driver_of(schedule: Schedule, block: KernelBlock) -> KernelBlock:
    """The one consumer with the reduction's own domain, or a new block that copies the result out.

    The reduction's accumulators then live in registers, and the driver stores each result once.
    """
    consumers = [KernelBlock(schedule, handle) for handle in schedule.get_consumers(block.handle)]
    if len(consumers) == 1 and not consumers[0].is_reduction and consumers[0].volume == block.volume:
        read = next(read for read in consumers[0].reads if read.tensor == block.written)
        pointwise = all(len(names) <= 1 for names in read.used)
        if pointwise and consumers[0].column is not None and read.contiguous(consumers[0].column):
            schedule.set_scope(block.handle, 0, "local")
            return consumers[0]
    return KernelBlock(schedule, schedule.cache_write(block.handle, 0, "local"))


def schedule_accumulators(
    schedule: Schedule, block: KernelBlock, vectors: int, lanes: int, unroll_steps: bool = False
) -> list[Any]:
    """Unroll and vectorise the reduction's tile inside its reduction loops, which are returned."""
    own = schedule.get_loops(block.handle)[-len(block.extents) :]
    count = len(spatial(block))
    *rows, columns = own[:count]
    steps = own[count:]
    vector, lane = schedule.split(columns, [vectors, lanes])
    schedule.reorder(*steps, *rows, vector, lane)
    for loop in (*(steps[1:] if unroll_steps else ()), *rows, vector):
        schedule.unroll(loop)
    schedule.vectorize(lane)
    return steps


def padding_of(schedule: Schedule, block: KernelBlock) -> KernelBlock | None:
    """The block that writes a border around an input of `block`, if there is one."""
    producers = [KernelBlock(schedule, handle) for handle in schedule.get_producers(block.handle)]
    return next((producer for producer in producers if is_padding(producer)), None)


def schedule_padding(schedule: Schedule, padding: KernelBlock, at: Any, machine: Machine) -> None:
    """Write the border where each parallel chunk needs it (`at`), or once for all before them (None)."""
    if at is not None:
        schedule.compute_at(padding.handle, at, preserve_unit_loops=True)
    loops = schedule.get_loops(padding.handle)[-len(padding.extents) :]
    if at is None:
        schedule.parallel(schedule.fuse(*loops[:-2]))
    vectorize_innermost(schedule, loops[-1], machine)


def vectorize_innermost(schedule: Schedule, loop: Any, machine: Machine) -> None:
    """Vectorise by the widest vector that divides the loop."""
    length = extent(schedule, loop)
    lanes = machine.widest_vector(length)
    if lanes > 1:
        schedule.vectorize(schedule.split(loop, [None, lanes])[1])
