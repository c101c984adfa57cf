"""Dense and grouped convolutions and matrix products: outer products on a tile of accumulators.

One operand (the weights) is read along the output's channels as vectors, the other is broadcast. The reduction
runs outside the tile, so each step loads `vectors` vectors and `rows` scalars for rows × vectors multiply-adds.
"""

from __future__ import annotations

from collections.abc import Collection
from math import prod
from typing import Any

from tvm import ir, tirx
from tvm.s_tir import Schedule

from bench.targets.schedules.analysis import Block, Read, extent, group_width, spatial
from bench.targets.schedules.epilogue import driver_of, padding_of, schedule_accumulators, schedule_padding
from bench.targets.schedules.machine import Machine
from bench.targets.schedules.tiles import Neighbours, Packing, Tile, balance, chunks, column_parts, contraction_tile

_UNROLL = 24
# Multiply-adds from which a kernel's inner loop is worth compiling twice, and four times, as long for.
_LONG = {2: 4_000_000, 4: 12_000_000}


def matches(block: Block, machine: Machine) -> bool:
    """A sum of products of a tensor read along the columns and one that the columns share."""
    if not block.multiplies or block.column is None or len(block.reads) != 2 or not block.reduced:
        return False
    vector = [read for read in block.reads if read.contiguous(block.column)]
    shared = [read for read in block.reads if not read.uses(block.column) or group_width(read, block.column)]
    return len(vector) == 1 and len(shared) == 1 and vector[0] is not shared[0]


def apply(schedule: Schedule, block: Block, machine: Machine, constants: Collection[str]) -> Packing | None:
    """Schedule `block` and its epilogue; a border around its input is written for each chunk of rows.

    Loops: chunk of rows (parallel), columns by the tile, rows of the chunk, reduction, tile. A tile's weights
    stay in the first-level cache while the rows of a chunk pass by, and a chunk's rows in the second-level cache until
    the last columns have read them. Where all weights fit the first-level cache, the columns are inside the rows. When
    weights are among the `constants`, they are laid out tile after tile, so that they stream from memory in order.
    Returns that layout.
    """
    column = block.column
    assert column is not None
    shared, weights = _operands(block, column)
    padding = padding_of(schedule, block)

    driver = driver_of(schedule, block)
    loops = dict(zip(spatial(block), schedule.get_loops(driver.handle), strict=True))
    column_loop = loops.pop(column)
    *outer, (_, wide) = loops.items()
    name, high = outer.pop() if outer else ("", None)
    # A chunk of such rows would read of the border what no loop of constant length writes.
    of_groups = any(extent(schedule, loop) > 1 for _, loop in outer)
    heights = 1 if high is None or weights.uses(name) else extent(schedule, high)
    neighbours = _neighbours(block, shared, machine)
    tile = contraction_tile(
        heights, extent(schedule, wide), extent(schedule, column_loop), machine, group_width(shared, column), neighbours
    )
    packing = _pack(schedule, block, weights, tile, constants)
    cut = extent(schedule, wide) % tile.width != 0
    wide_outer, row = schedule.split(wide, [None, tile.width])
    column_outer, vector, lane = schedule.split(column_loop, [None, tile.vectors, tile.lanes])
    tall: list[Any] = []
    inner: list[Any] = []
    outer_loop = wide_outer
    if high is not None:
        high_outer, *tall = schedule.split(high, [None, tile.height])
        outer_loop, inner = schedule.fuse(*(loop for _, loop in outer), high_outer), [wide_outer]
    tiles = extent(schedule, column_outer)
    part = _row_parts(block, shared, weights, extent(schedule, outer_loop), tiles, machine)
    chunk, within = schedule.split(outer_loop, [part, None])
    split_columns = balance(part, machine.threads) < balance(tiles, machine.threads)
    if split_columns or 4 * prod(weights.shape) > 3 * machine.l1_bytes // 4:
        tiles_loops = [column_outer, within, *inner]
    else:
        # What is written is then whole lines of a cache at once.
        tiles_loops = [within, *inner, column_outer]
    schedule.reorder(chunk, *tiles_loops, *tall, row, vector, lane)
    parallel = schedule.fuse(chunk, column_outer) if split_columns else chunk
    schedule.parallel(parallel)

    schedule.compute_at(block.handle, tiles_loops[-1], preserve_unit_loops=True)
    if padding is not None:
        schedule_padding(schedule, padding, None if split_columns or of_groups else parallel, machine)
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
    if cut:
        # A last tile of fewer rows becomes code of its own, so that the others need not ask which rows there are.
        schedule.annotate(inner[0] if inner else within, "pragma_loop_partition_hint", True)
    return packing


def column_widths(schedule: Schedule, block: Block, machine: Machine) -> list[int]:
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


def _row_parts(block: Block, shared: Read, weights: Read, rows: int, tiles: int, machine: Machine) -> int:
    """Into how many parts to cut the rows, for cores and caches.

    A part, what the columns share and the output, should fit a quarter of the second-level cache, so that all but the
    first of the `tiles` of columns find it there. Weights that do not fit a quarter come from memory for every part:
    then the cores rather share the columns.
    """
    room = machine.l2_bytes // 4
    values = prod(shared.shape) + prod(block.extents[name] for name in spatial(block))
    weights_fit = 4 * prod(weights.shape) <= room
    part = chunks(rows, machine.threads, -(-4 * values // room) if weights_fit and tiles > 1 else 1)
    columns_do = balance(tiles, machine.threads) >= balance(part, machine.threads)
    return 1 if columns_do and not weights_fit else part


def _operands(block: Block, column: str) -> tuple[Read, Read]:
    """What the columns share, and the weights, which are read along them."""
    shared = next(read for read in block.reads if not read.contiguous(column))
    weights = next(read for read in block.reads if read.contiguous(column))
    return shared, weights


def _neighbours(block: Block, shared: Read, machine: Machine) -> Neighbours:
    """Of the shared operand's channels; of a line of pixels where there are too few channels to fill a register."""
    last = next((name for name in reversed(block.reduced)), None)
    if not machine.lane_operands or last is None or not shared.contiguous(last):
        return Neighbours()
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


def _load_line(schedule: Schedule, block: Block, shared: Read, steps: list[Any], machine: Machine) -> None:
    """Read the tile's part of a line of the shared operand by whole registers, and unroll the steps within it."""
    copy = schedule.cache_read(block.handle, _position(block, shared), "local")
    schedule.compute_at(copy, steps[-3], preserve_unit_loops=True)
    values = schedule.fuse(*schedule.get_loops(copy)[-2:])
    whole, lane = schedule.split(values, [None, machine.lanes])
    schedule.annotate(whole, "pragma_loop_partition_hint", True)
    schedule.vectorize(lane)
    for step in steps[-2:]:
        schedule.unroll(step)


def _position(block: Block, read: Read) -> int:
    return next(i for i, region in enumerate(block.stmt.reads) if str(region.source.name) == read.tensor)


def _load_steps_at_once(schedule: Schedule, block: Block, shared: Read, steps: list[Any], lanes: int) -> None:
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


def _pack(schedule: Schedule, block: Block, weights: Read, tile: Tile, constants: Collection[str]) -> Packing | None:
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
