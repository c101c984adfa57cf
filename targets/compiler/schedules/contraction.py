"""Dense and grouped convolutions and matrix products: outer products on a tile of accumulators.

One operand (the weights) is read along the output's channels as vectors, the other is broadcast. The reduction
runs outside the tile, so each step loads `vectors` vectors and `rows` scalars for rows × vectors multiply-adds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import gcd, prod
from typing import Any

from tvm import ir, tirx
from tvm.s_tir import Schedule

from blockfront.targets.compiler.schedules.analysis import KernelBlock, Read, extent, group_width, spatial
from blockfront.targets.compiler.schedules.epilogue import (
    driver_of,
    padding_of,
    schedule_accumulators,
    schedule_padding,
)
from blockfront.targets.compiler.schedules.loop_nest import Extents, choose_loops
from blockfront.targets.compiler.schedules.tiles import Neighbours, Packing, Tile, column_parts
from blockfront.targets.hardware.machine import Machine

_UNROLL = 24
# Multiply-adds from which a kernel's inner loop is worth compiling twice, and four times, as long for.
_LONG = {2: 4_000_000, 4: 12_000_000}


def matches(block: KernelBlock, machine: Machine) -> bool:
    """A sum of products of a tensor read along the columns and one that the columns share."""
    # Dot products of two bytes come in pairs.
    reads = list({read.tensor: read for read in block.reads}.values()) if block.is_dot else block.reads
    if not block.multiplies or block.column is None or len(reads) != 2 or not block.reduced:
        return False
    vector = [read for read in reads if read.contiguous(block.column)]
    shared = [read for read in reads if not read.uses(block.column) or group_width(read, block.column)]
    return len(vector) == 1 and len(shared) == 1 and vector[0] is not shared[0]


def apply(schedule: Schedule, block: KernelBlock, machine: Machine, constants: Collection[str]) -> Packing | None:
    """Schedule `block` and its epilogue; a border around its input is written for each chunk of rows.

    Loops: chunk of rows (parallel), then columns by the tile and rows of the chunk as `choose_loops` orders them,
    reduction, tile. When weights are among the `constants`, they are laid out tile after tile, so that they stream from
    memory in order. Returns that layout.
    """
    column = block.column
    assert column is not None
    shared, weights = _operands(block, column)
    padding = padding_of(schedule, block)

    driver = driver_of(schedule, block)
    loops = dict(zip(spatial(block), schedule.get_loops(driver.handle), strict=True))
    lengths = {name: extent(schedule, loop) for name, loop in loops.items()}
    neighbours = _neighbours(block, shared, machine)
    nest = choose_loops(_extents(block, lengths, neighbours), machine)
    tile = nest.tile
    column_loop = loops.pop(column)
    *outer, (_, wide) = loops.items()
    _, high = outer.pop() if outer else ("", None)
    # A chunk of such rows would read of the border what no loop of constant length writes.
    of_groups = any(lengths[name] > 1 for name, _ in outer)
    packing = _pack(schedule, block, weights, tile, constants)
    wide_outer, row = schedule.split(wide, [None, tile.width])
    # Bytes are stored many at once, whatever the sums of a tile are in.
    together = gcd(tile.vectors * tile.lanes, machine.of_bytes().lanes) if driver.has_bytes else tile.lanes
    stored = [None, tile.vectors * tile.lanes // together, together]
    column_outer, vector, lane = schedule.split(column_loop, stored)
    tall: list[Any] = []
    inner: list[Any] = []
    outer_loop = wide_outer
    if high is not None:
        high_outer, *tall = schedule.split(high, [None, tile.height])
        outer_loop, inner = schedule.fuse(*(loop for _, loop in outer), high_outer), [wide_outer]
    chunk, within = schedule.split(outer_loop, [nest.parts, None])
    tiles_loops = [column_outer, within, *inner] if nest.rows_inside else [within, *inner, column_outer]
    schedule.reorder(chunk, *tiles_loops, *tall, row, vector, lane)
    parallel = schedule.fuse(chunk, column_outer) if nest.split_columns else chunk
    schedule.parallel(parallel)

    schedule.compute_at(block.handle, tiles_loops[-1], preserve_unit_loops=True)
    if padding is not None:
        schedule_padding(schedule, padding, None if nest.split_columns or of_groups else parallel, machine)
    steps = schedule_accumulators(schedule, block, tile.vectors, tile.lanes)
    if neighbours.apart is not None:
        _load_line(schedule, block, shared, steps, machine)
    elif neighbours.steps > 1:
        _load_steps_at_once(schedule, block, shared, steps, neighbours.steps)
    elif machine.lane_operands:
        _unroll_neighbours(schedule, steps)
    schedule.decompose_reduction(block.handle, steps[0])
    for loop in (*tall, row, vector):
        schedule.unroll(loop)
    schedule.vectorize(lane)
    if nest.cut:
        # A last tile of fewer rows becomes code of its own, so that the others need not ask which rows there are.
        schedule.annotate(inner[0] if inner else within, "pragma_loop_partition_hint", True)
    return packing


def column_widths(schedule: Schedule, block: KernelBlock, machine: Machine) -> list[int]:
    """How many columns each part of a kernel is to have that is scheduled in parts."""
    column = str(block.column)
    shared, weights = _operands(block, column)
    columns = block.extents[column]
    if group_width(shared, column) or padding_of(schedule, block) is not None:
        return [columns]
    *outer, wide = [name for name in spatial(block) if name != column]
    high = 1 if not outer or weights.uses(outer[-1]) else block.extents[outer[-1]]
    steps = prod(block.extents[name] for name in block.reduced)
    neighbours = _neighbours(block, shared, machine)
    return column_parts(high, block.extents[wide], columns, steps, machine, neighbours)


def _extents(block: KernelBlock, lengths: Mapping[str, int], neighbours: Neighbours) -> Extents:
    """The `lengths` of the block's spatial loops by what they are for, and how much it reads and writes."""
    column = str(block.column)
    shared, weights = _operands(block, column)
    *outer, wide = [name for name in lengths if name != column]
    high = outer.pop() if outer else None
    return Extents(
        outer=prod(lengths[name] for name in outer),
        high=None if high is None else lengths[high],
        wide=lengths[wide],
        columns=lengths[column],
        values=prod(shared.shape) + prod(block.extents[name] for name in spatial(block)),
        weights=prod(weights.shape),
        apart=high is not None and weights.uses(high),
        group=group_width(shared, column),
        neighbours=neighbours,
    )


def _operands(block: KernelBlock, column: str) -> tuple[Read, Read]:
    """What the columns share, and the weights, which are read along them."""
    shared = next(read for read in block.reads if not read.contiguous(column))
    weights = next(read for read in block.reads if read.contiguous(column))
    return shared, weights


def _neighbours(block: KernelBlock, shared: Read, machine: Machine) -> Neighbours:
    """Of the shared operand's channels; of a line of pixels where there are too few channels to fill a register."""
    last = block.reduced[-1] if block.reduced else None
    if not machine.lane_operands or last is None:
        return Neighbours()
    if not shared.contiguous(last):
        # A step of dot products of two bytes has two of them.
        paired = block.is_dot and _factor(shared.indices[-1], last) == 2
        return Neighbours(machine.widest_vector(2 * block.extents[last]) // 2) if paired else Neighbours()
    channels = block.extents[last]
    lanes = machine.widest_vector(channels)
    wide = [name for name in spatial(block) if name != block.column][-1:]
    image = len(shared.shape) == 4 and shared.shape[-1] == channels
    if lanes > 1 or not image or not wide:
        return Neighbours(lanes)
    taps = [name for name in shared.used[-2] if name in block.reduced]
    stride = _factor(shared.indices[-2], wide[0])
    steps = channels * prod(block.extents[name] for name in taps)
    in_line = {*taps, *wide} == shared.used[-2] and block.reduced[-1 - len(taps) : -1] == taps
    undilated = all(_factor(shared.indices[-2], name) == 1 for name in taps)
    if not (taps and in_line and undilated and stride and steps <= _UNROLL):
        return Neighbours()
    return Neighbours(steps, stride * channels)


def _factor(index: Any, variable: str) -> int | None:
    """What `variable` is multiplied by in a sum; None where it is not in it."""
    if isinstance(index, tirx.Add):
        return next((found for part in (index.a, index.b) if (found := _factor(part, variable))), None)
    if isinstance(index, tirx.Mul) and isinstance(index.b, tirx.IntImm):
        return int(index.b) if _factor(index.a, variable) == 1 else None
    return 1 if isinstance(index, ir.Var) and str(index.name) == variable else None


def _load_line(schedule: Schedule, block: KernelBlock, shared: Read, steps: list[Any], machine: Machine) -> None:
    """Read the tile's part of a line of the shared operand by whole registers, and unroll the steps within it."""
    copy = schedule.cache_read(block.handle, _position(block, shared), "local")
    schedule.compute_at(copy, steps[-3], preserve_unit_loops=True)
    values = schedule.fuse(*schedule.get_loops(copy)[-2:])
    whole, lane = schedule.split(values, [None, machine.lanes])
    schedule.annotate(whole, "pragma_loop_partition_hint", True)
    schedule.vectorize(lane)
    for step in steps[-2:]:
        schedule.unroll(step)


def _position(block: KernelBlock, read: Read) -> int:
    return next(i for i, region in enumerate(block.stmt.reads) if str(region.source.name) == read.tensor)


def _load_steps_at_once(schedule: Schedule, block: KernelBlock, shared: Read, steps: list[Any], lanes: int) -> None:
    """Read as many steps of the shared operand as a register has lanes with one load, and unroll them; in a kernel of
    many steps twice, which saves a twentieth of its instructions, or four times, which saves a hundredth more."""
    last = max(i for i, step in enumerate(steps) if extent(schedule, step) > 1)
    outer, inner = steps[last : last + 1] = schedule.split(steps[last], [None, lanes])
    copy = schedule.cache_read(block.handle, _position(block, shared), "local")
    schedule.compute_at(copy, outer, preserve_unit_loops=True)
    loads = extent(schedule, outer)
    times = [n for n, macs in _LONG.items() if block.macs >= macs and loads % n == 0 and loads > n]
    if times:
        steps[last], several = schedule.split(outer, [None, times[-1]])
        schedule.unroll(several)
    *rows, lane = schedule.get_loops(copy)[-len(shared.indices) :]
    for loop in (*rows, inner):
        schedule.unroll(loop)
    schedule.vectorize(lane)


def _unroll_neighbours(schedule: Schedule, steps: list[Any]) -> None:
    """Unroll the innermost steps, so that scalars which are neighbours in memory are loaded in pairs."""
    unrolled = 1
    for step in reversed(steps[1:]):
        unrolled *= extent(schedule, step)
        if unrolled <= _UNROLL:
            schedule.unroll(step)


def _pack(
    schedule: Schedule, block: KernelBlock, weights: Read, tile: Tile, constants: Collection[str]
) -> Packing | None:
    """Store constant weights [..., columns] as [columns / tile, ..., tile]."""
    columns = tile.vectors * tile.lanes
    if weights.tensor not in constants or columns == weights.shape[-1]:
        return None
    index = _position(block, weights)
    schedule.transform_layout(
        block.handle,
        ("read", index),
        lambda *indices: [indices[-1] // columns, *indices[:-1], indices[-1] % columns],
    )
    return Packing(weights.tensor, columns)
