"""How the loops of a contraction are cut and in which order they run: from its extents alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

from blockfront.targets.compiler.schedules.tiles import Neighbours, Tile, balance, chunks, contraction_tile
from blockfront.targets.hardware.machine import Machine


@dataclass(frozen=True)
class Extents:
    """What a contraction iterates over, and how many values it touches.

    `outer` × `high` × `wide` rows of `columns`; `high` is None where rows have no second dimension. `apart`: every line
    of `high` has weights of its own, so that no tile is higher than one. `group`: columns that share their operand
    in a grouped convolution. `values`: float32 values of the shared operand and the output; `weights`: of the weights.
    """

    outer: int
    high: int | None
    wide: int
    columns: int
    values: int
    weights: int
    apart: bool = False
    group: int | None = None
    neighbours: Neighbours = field(default_factory=Neighbours)


@dataclass(frozen=True)
class LoopNest:
    """`tile` in registers, rows in `parts`.

    `split_columns`: the cores share the columns, not the rows; `rows_inside`: all rows of a part pass by one tile's
    weights before the next, else all columns pass by a row; `cut`: the last tile of a line has fewer rows.
    """

    tile: Tile
    parts: int
    split_columns: bool
    rows_inside: bool
    cut: bool


def choose_loops(extents: Extents, machine: Machine) -> LoopNest:
    """The loops of a contraction on a machine.

    A tile's weights stay in the first-level cache while the rows of a part pass by, and a part's rows in the
    second-level cache until the last columns have read them. Where all weights fit the first-level cache, the columns
    are inside the rows: what is written is then whole lines of a cache at once.
    """
    high = 1 if extents.high is None or extents.apart else extents.high
    tile = contraction_tile(high, extents.wide, extents.columns, machine, extents.group, extents.neighbours)
    if extents.high is None:
        rows = ceil(extents.wide / tile.width)
    else:
        rows = extents.outer * ceil(extents.high / tile.height)
    tiles = extents.columns // (tile.vectors * tile.lanes)
    parts = _row_parts(extents, rows, tiles, machine)
    split_columns = balance(parts, machine.threads) < balance(tiles, machine.threads)
    weights_stay = 4 * extents.weights <= 3 * machine.l1_bytes // 4
    return LoopNest(tile, parts, split_columns, split_columns or not weights_stay, extents.wide % tile.width != 0)


def _row_parts(extents: Extents, rows: int, tiles: int, machine: Machine) -> int:
    """Into how many parts to cut the rows, for cores and caches.

    A part, what the columns share and the output, should fit a quarter of the second-level cache, so that all but the
    first of the `tiles` of columns find it there. Weights that do not fit a quarter come from memory for every part:
    then the cores rather share the columns.
    """
    room = machine.l2_bytes // 4
    weights_fit = 4 * extents.weights <= room
    parts = chunks(rows, machine.threads, ceil(4 * extents.values / room) if weights_fit and tiles > 1 else 1)
    columns_do = balance(tiles, machine.threads) >= balance(parts, machine.threads)
    return 1 if columns_do and not weights_fit else parts
