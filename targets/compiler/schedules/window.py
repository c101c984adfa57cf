"""Depthwise convolutions, pooling and other reductions that keep the channels: a vector of channels a load."""

from __future__ import annotations

from collections.abc import Collection
from math import gcd, prod
from typing import Any

from tvm.s_tir import Schedule

from blockfront.targets.compiler.schedules.analysis import KernelBlock, extent, spatial
from blockfront.targets.compiler.schedules.epilogue import (
    driver_of,
    padding_of,
    schedule_accumulators,
    schedule_padding,
)
from blockfront.targets.compiler.schedules.tiles import balance, chunks, window_tile
from blockfront.targets.hardware.machine import Machine

_UNROLL = 32


def matches(block: KernelBlock, machine: Machine) -> bool:
    """Every tensor read along the columns is read contiguously there, and something is reduced."""
    column = block.column
    return (
        column is not None
        and bool(block.reduced)
        and all(read.contiguous(column) for read in block.reads if read.uses(column))
        and any(read.uses(column) for read in block.reads)
    )


def apply(schedule: Schedule, block: KernelBlock, machine: Machine, constants: Collection[str]) -> None:
    """Schedule `block` and its epilogue. Loops: chunk of rows (parallel), cache lines of columns, rows, columns of
    a line, window, tile.
    """
    zipped = [KernelBlock(schedule, handle) for handle in schedule.get_producers(block.handle)] if block.zips else []
    padding = padding_of(schedule, block)
    bordered = padding_of(schedule, zipped[0]) if zipped else None
    # A border of bytes, whose zero is any number, is copied along with them: a copy of floats would take four times as
    # long, and their zeros need no arithmetic.
    copied = padding if not zipped and block.has_bytes and block.multiplies else bordered
    if padding is not None and copied is None and not zipped:
        schedule.compute_inline(padding.handle)
        block = KernelBlock(schedule, block.handle)
    driver = driver_of(schedule, block)
    loops = dict(zip(spatial(block), schedule.get_loops(driver.handle), strict=True))
    columns = loops.pop(str(block.column))
    *outer, wide = loops.values() or [schedule.add_unit_loop(columns)]
    tile = window_tile(extent(schedule, wide), extent(schedule, columns), machine)
    wide_outer, row = schedule.split(wide, [None, tile.width])
    column_outer, vector, lane = schedule.split(columns, [None, tile.vectors, tile.lanes])
    outer_loop = schedule.fuse(*outer) if outer else schedule.add_unit_loop(wide_outer)
    part = chunks(extent(schedule, outer_loop), machine.threads)
    chunk, within = schedule.split(outer_loop, [part, None])
    neighbours = gcd(extent(schedule, column_outer), max(1, machine.line // (tile.vectors * tile.lanes)))
    column_outer, near = schedule.split(column_outer, [None, neighbours])
    schedule.reorder(chunk, column_outer, within, wide_outer, near, row, vector, lane)
    split_columns = balance(part, machine.threads) < balance(extent(schedule, column_outer), machine.threads)
    parallel = schedule.fuse(chunk, column_outer) if split_columns else chunk
    schedule.parallel(parallel)

    schedule.compute_at(block.handle, near, preserve_unit_loops=True)
    for words in zipped:
        _in_registers(schedule, words, near, tile.lanes)
    if copied is not None:
        schedule_padding(schedule, copied, parallel, machine)
    elif padding is not None:
        # The border is read by a branch: first, middle and last tiles of a row get loops of their own.
        schedule.annotate(wide_outer, "pragma_loop_partition_hint", True)
    unrolled = prod(block.extents[name] for name in block.reduced) <= _UNROLL
    steps = schedule_accumulators(schedule, block, tile.vectors, tile.lanes, unroll_steps=unrolled)
    schedule.decompose_reduction(block.handle, steps[0])
    if zipped:
        # Else their words would lie in memory.
        schedule.unroll(steps[0])
    schedule.unroll(row)
    schedule.unroll(vector)
    schedule.vectorize(lane)


def _in_registers(schedule: Schedule, words: KernelBlock, at: Any, lanes: int) -> None:
    """Make the words that a tile's windows share where the tile is, a vector at a time."""
    schedule.compute_at(words.handle, at, preserve_unit_loops=True)
    schedule.set_scope(words.handle, 0, "local")
    *outer, column = schedule.get_loops(words.handle)[-len(words.extents) :]
    vector, lane = schedule.split(column, [None, lanes])
    for loop in (*outer, vector):
        schedule.unroll(loop)
    schedule.vectorize(lane)
