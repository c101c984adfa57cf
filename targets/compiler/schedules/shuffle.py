"""Channel shuffles: neighbouring columns of the output come from several places in turn."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tvm import ir, sym
from tvm.s_tir import Schedule

from blockfront.targets.compiler.schedules.analysis import KernelBlock, remainders, walk
from blockfront.targets.hardware.machine import Machine

# From all places together at least so many values at a time, because LLVM's own code is better for fewer; and at most
# so many registers.
_LEAST, _REGISTERS = 8, 4


def matches(block: KernelBlock, machine: Machine) -> bool:
    """Whether columns come from several places in turn, and enough of them from each to fill vectors."""
    if block.reduced:
        return False
    places, lanes = _vectors(block, machine)
    return places > 1 and places * lanes >= _LEAST


def apply(schedule: Schedule, block: KernelBlock, machine: Machine, constants: Collection[str]) -> None:
    """Read a vector from each of the places, and store their lanes in turn: a shuffle of registers.

    The vectors are kept in local memory; `rewrites.shuffle_lanes` sees in which order it is read.
    """
    places, lanes = _vectors(block, machine)
    store = schedule.cache_write(block.handle, 0, "local")
    *outer, columns = schedule.get_loops(store)
    if outer:
        schedule.parallel(schedule.fuse(*outer))
    piece, together = schedule.split(columns, [None, lanes * places])
    schedule.vectorize(together)
    schedule.compute_at(block.handle, piece, preserve_unit_loops=True)
    by_place = ("write", 0)
    schedule.transform_layout(block.handle, by_place, lambda *i: [*i[:-1], i[-1] % places, i[-1] // places])
    lane, place = schedule.split(schedule.get_loops(block.handle)[-1], [lanes, places])
    schedule.reorder(place, lane)
    schedule.vectorize(lane)
    if block.chooses:
        # A concatenation: each place becomes code of its own, so that no element asks which part it is from.
        schedule.annotate(place, "pragma_loop_partition_hint", True)
    else:
        schedule.unroll(place)


def _vectors(block: KernelBlock, machine: Machine) -> tuple[int, int]:
    """From how many places, and how many values from each at a time; 0 of more places than there are registers for."""
    places = _places(block)
    length = block.extents[str(block.column)] // places if places > 1 else 1
    widths = [width for width in machine.vector_widths() if width * places <= _REGISTERS * machine.lanes]
    return places, next((width for width in widths if length % width == 0), 0)


def _places(block: KernelBlock) -> int:
    """How many places neighbouring columns come from in turn; 1 if from one.

    Columns that far apart are then neighbours in what is read.
    """
    column = block.column
    if column is None:
        return 1
    shuffled = [read.indices[-1] for read in block.reads if read.uses(column) and not read.contiguous(column)]
    return next(
        (
            places
            for places in remainders(block, column)
            if block.extents[column] % places == 0
            and all(_at(index, column, places) == _at(index, column, 0) + 1 for index in shuffled)
        ),
        1,
    )


def _at(index: Any, column: str, value: int) -> int:
    """An index where the column is `value` and every other variable 0."""
    analyzer = sym.Analyzer()
    for variable in {node for node in walk(index) if isinstance(node, ir.Var)}:
        analyzer.bind(variable, value if str(variable.name) == column else 0)
    return int(analyzer.simplify(index))
