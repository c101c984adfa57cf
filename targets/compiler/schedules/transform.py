"""Winograd's transforms: every tile of an image, a vector of channels at a time, unrolled within registers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tvm.s_tir import Schedule

from blockfront.targets.compiler.schedules.analysis import KernelBlock, extent
from blockfront.targets.compiler.schedules.epilogue import schedule_padding
from blockfront.targets.compiler.schedules.inlining import is_padding, root_blocks
from blockfront.targets.hardware.machine import Machine

_PREFIX = "winograd_"


def matches(block: KernelBlock, machine: Machine) -> bool:
    """Whether the block is a step of a transform (`blockfront.targets.compiler.winograd` gives the names)."""
    return block.name.startswith(_PREFIX) and not block.is_reduction


def apply(schedule: Schedule, block: KernelBlock, machine: Machine, constants: Collection[str]) -> None:
    """Schedule the kernel that `block` is part of: rows of tiles in parallel, then tiles, vectors of channels, and a
    tile's elements.
    """
    *before, last = root_blocks(schedule)
    rows = next(one for one in before if len(one.extents) == 5)
    high, wide, *sizes = list(rows.extents.values())[:4]
    if last.name.startswith(f"{_PREFIX}input"):
        element, tile, channel = schedule.get_loops(last.handle)
        row, column = schedule.split(tile, [high, wide])
        elements = schedule.split(element, sizes)
    else:
        _, vertical, horizontal, channel = schedule.get_loops(last.handle)
        row, upper = schedule.split(vertical, [None, sizes[0]])
        column, left = schedule.split(horizontal, [None, sizes[0]])
        elements = [upper, left]
    vector, lane = schedule.split(channel, [None, machine.widest_vector(extent(schedule, channel))])
    schedule.reorder(row, column, vector, *elements, lane)
    schedule.parallel(row)
    _unroll(schedule, elements, lane)
    for one in reversed(before):
        if is_padding(one):
            schedule_padding(schedule, one, row, machine)
            continue
        schedule.set_scope(one.handle, 0, "local")
        schedule.compute_at(one.handle, vector, preserve_unit_loops=True)
        *inner, lane = schedule.get_loops(one.handle)[-len(one.extents) :]
        _unroll(schedule, inner, lane)


def _unroll(schedule: Schedule, loops: list[Any], lane: Any) -> None:
    for loop in loops:
        schedule.unroll(loop)
    schedule.vectorize(lane)
