"""Labels of an image that is resized: a few vectors of pixels at a time, whose channels stay in the first cache."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tvm.s_tir import Schedule

from blockfront.targets.compiler.schedules.analysis import KernelBlock, extent, spatial
from blockfront.targets.compiler.schedules.inlining import is_interpolation, root_blocks
from blockfront.targets.hardware.machine import Machine

_VECTORS = 4


def matches(block: KernelBlock, machine: Machine) -> bool:
    """Whether several reductions read what the block computes where other tensors say."""
    consumers = [KernelBlock(block.schedule, handle) for handle in block.schedule.get_consumers(block.handle)]
    return is_interpolation(block) and len(consumers) > 1 and all(one.is_reduction for one in consumers)


def apply(schedule: Schedule, block: KernelBlock, machine: Machine, constants: Collection[str]) -> None:
    """Schedule the kernel that `block` is part of. Loops: lines (parallel), tiles of their pixels, channels, pixels."""
    *before, last = root_blocks(schedule)
    *lines, pixels = schedule.get_loops(last.handle)
    line = schedule.fuse(*lines)
    lanes = machine.widest_vector(extent(schedule, pixels))
    channels = block.volume // last.volume
    room = machine.l1_bytes // 2 // (4 * channels * lanes)
    vectors = next(n for n in (_VECTORS, 2, 1) if extent(schedule, pixels) % (n * lanes) == 0 and (n <= room or n == 1))
    tile, inner = schedule.split(pixels, [None, vectors * lanes])
    schedule.parallel(line)
    for one in reversed(before):
        schedule.compute_at(one.handle, tile, preserve_unit_loops=True)
    _vectorize(schedule, inner, lanes)
    for one in before:
        schedule.set_scope(one.handle, 0, "local")
        loops = dict(zip(one.extents, schedule.get_loops(one.handle)[-len(one.extents) :], strict=True))
        column = loops.pop(spatial(one)[-1])
        steps = [loops[name] for name in one.extents if name not in spatial(one)]
        if steps:
            schedule.reorder(*steps, column)
        _vectorize(schedule, column, lanes)
        if steps:
            schedule.decompose_reduction(one.handle, steps[0])


def _vectorize(schedule: Schedule, loop: Any, lanes: int) -> None:
    vector, lane = schedule.split(loop, [None, lanes])
    schedule.unroll(vector)
    schedule.vectorize(lane)
