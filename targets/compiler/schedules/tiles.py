"""How large a register tile to use, and how to split loops over cores: pure rules over extents."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil

from blockfront.targets.hardware.machine import Machine


@dataclass(frozen=True)
class Tile:
    """(`height` × `width`) × (`vectors` × `lanes`) accumulators held in registers."""

    height: int
    width: int
    vectors: int
    lanes: int


@dataclass(frozen=True)
class Packing:
    """Constant `tensor` of shape [..., n] is to be stored as [n / columns, ..., columns]."""

    tensor: str
    columns: int


@dataclass(frozen=True)
class Neighbours:
    """What one load of the operand that columns share brings, where a multiply-add can take a lane of a register.

    A row needs `steps` values that are neighbours in memory; 1 where each has to be loaded by itself. The next row's
    begin `apart` values further on, in the same line; None where they lie elsewhere, and each row has a register.
    """

    steps: int = 1
    apart: int | None = None

    def registers(self, rows: int, lanes: int) -> int:
        """How many registers of `lanes` values hold them for `rows` rows."""
        return rows if self.apart is None else ceil(((rows - 1) * self.apart + self.steps) / lanes)


# A part of its own reads the rows again, and starts the cores again.
_PART_CYCLES = 20_000


def contraction_tile(
    high: int, wide: int, columns: int, machine: Machine, within: int | None = None, shared: Neighbours = Neighbours()
) -> Tile:
    """The tile with the most useful multiply-adds a cycle for an outer-product kernel of high × wide rows.

    Each step of the reduction loads one vector for every `vectors` and broadcasts one value for every row (`shared`
    says how many loads that takes), then issues rows × vectors multiply-adds; the slowest of loads, multiply-adds and
    their latency decides.
    A tile's columns divide `columns` (and `within`, the width of a group, when given), so that no vector is
    partly used. A tile higher than 1 takes whole lines of `wide`; a width that does not divide `wide` leaves a
    last tile under a predicate, which counts against it.
    """
    return _rated_tile(high, wide, within or columns, machine, shared)[0]


def column_parts(
    high: int, wide: int, columns: int, steps: int, machine: Machine, shared: Neighbours = Neighbours()
) -> list[int]:
    """Into which widths to cut the columns of such a kernel, whose reduction has `steps`, so that vectors are whole.

    58 columns are 56 in vectors of four and 2 in a vector of two; one part where that promises no less time. A
    single row waits for its weights, which are in order only when there is one part.
    """
    work = steps * high * wide

    def cycles(width: int) -> float:
        return work * width / _rated_tile(high, wide, width, machine, shared)[1] + _PART_CYCLES

    best = [columns]
    if columns % machine.lanes == 0 or high * wide == 1:
        return best
    for vectors in range(1, 9):
        whole = columns // (vectors * machine.lanes) * vectors * machine.lanes
        if whole:
            parts = [whole, *column_parts(high, wide, columns - whole, steps, machine, shared)]
            best = min(best, parts, key=lambda widths: sum(map(cycles, widths)))
    return best


@cache
def _rated_tile(high: int, wide: int, span: int, machine: Machine, shared: Neighbours) -> tuple[Tile, float]:
    """The tile and its useful multiply-adds a cycle."""
    if shared.apart is None:
        shapes = [(1, width) for width in range(1, wide + 1)]
        shapes += [(height, wide) for height in range(2, high + 1) if high % height == 0]
    else:
        # A last tile that takes less of a line would have the others ask where the line ends.
        shapes = [(1, width) for width in range(1, wide + 1) if wide % width == 0]
    best, best_score = Tile(1, 1, 1, 1), 0.0
    for lanes in machine.vector_widths():
        for vectors in range(1, 9):
            columns = vectors * lanes
            if span % columns or (columns % machine.stored_at_once and span % machine.stored_at_once == 0):
                continue
            for height, width in shapes:
                rows = height * width
                if _registers(rows, vectors, machine, shared) > machine.registers:
                    continue
                work = _work_a_cycle(rows, vectors, lanes, machine, shared)
                if wide % width:
                    rest = _work_a_cycle(wide % width, vectors, lanes, machine, shared)
                    work = _with_rest(work, rest, wide, width)
                score = work * lanes
                if score > best_score * 1.001:
                    best, best_score = Tile(height, width, vectors, lanes), score
    return best, best_score


def _with_rest(work: float, rest_work: float, wide: int, width: int) -> float:
    """Multiply-adds a cycle over whole tiles and a last one of fewer rows, which costs code and a branch besides."""
    rest = wide % width
    kept = max(0.97, 1 - 0.12 / ceil(wide / width))
    return kept * wide / ((wide - rest) / work + rest / rest_work)


def _registers(rows: int, vectors: int, machine: Machine, shared: Neighbours) -> int:
    """Accumulators, and what they are multiplied from: the neighbours of each row and one step's weights, of which
    three or more are loaded ahead, or one step's weights and a value."""
    if shared.steps == 1:
        return rows * vectors + vectors + 1
    return rows * vectors + shared.registers(rows, machine.lanes) + max(3, vectors)


def _work_a_cycle(rows: int, vectors: int, lanes: int, machine: Machine, shared: Neighbours) -> float:
    """Multiply-adds a cycle over one step of the reduction."""
    issue = rows * vectors / machine.multiply_adds_a_cycle(lanes)
    # Where values are lanes of a register, as on Arm, one instruction loads two registers of weights.
    weights = vectors if shared.steps == 1 else vectors / 2
    loads = (shared.registers(rows, machine.lanes) / shared.steps + weights) / machine.loads_per_cycle
    # Loads that hide behind arithmetic still cost something: between equals, the tile that reuses more wins.
    return rows * vectors / (max(issue, loads, machine.fma_latency) + 0.25 * loads)


def window_tile(wide: int, columns: int, machine: Machine) -> Tile:
    """A tile for kernels that read a vector for every multiply-add: as many neighbours as share their window's rows.

    One vector of columns, because every further one needs registers for weights of its own. A whole row where that
    fits: it has both its borders, so that one piece of code does for all.
    """
    lanes = machine.widest_vector(columns)
    if 2 * wide <= machine.registers:
        return Tile(1, wide, 1, lanes)
    fitting = [width for width in range(1, wide + 1) if wide % width == 0 and 4 * width <= machine.registers]
    return Tile(1, max(fitting), 1, lanes)


def chunks(extent: int, threads: int, least: int = 1, limit: int = 8) -> int:
    """Into how many equal parts, `least` or more, to cut a loop of `extent` for `threads` cores; a divisor of `extent`.

    The parts are dealt out evenly, so a number the threads divide is best; of those the smallest, because
    every part pays for its own borders.
    """
    divisors = [part for part in range(1, extent + 1) if extent % part == 0]
    least = next(part for part in divisors if part >= min(least, extent))
    return min(
        (part for part in divisors if least <= part <= max(least, limit * threads)),
        key=lambda part: (-balance(part, threads), part),
    )


def balance(parts: int, threads: int) -> float:
    """The share of the cores' time in use when `parts` equal tasks are dealt to `threads` cores."""
    return parts / (ceil(parts / threads) * threads)
