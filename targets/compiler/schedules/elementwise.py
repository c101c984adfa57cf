"""Layout changes, concatenations and arithmetic without reduction."""

from __future__ import annotations

from collections.abc import Collection

from tvm.s_tir import Schedule

from blockfront.targets.compiler.schedules.analysis import KernelBlock, remainders, variables
from blockfront.targets.compiler.schedules.epilogue import vectorize_innermost
from blockfront.targets.hardware.machine import Machine

_FILLS = 8


def matches(block: KernelBlock, machine: Machine) -> bool:
    """Whether nothing is reduced."""
    return not block.reduced


def apply(schedule: Schedule, block: KernelBlock, machine: Machine, constants: Collection[str]) -> None:
    """Vectorise along memory and share the rest between cores."""
    loops = schedule.get_loops(block.handle)
    if not loops:
        return
    # Bytes whose columns fill vectors need not be found by dividing.
    fills = block.has_bytes and block.column and machine.widest_vector(block.extents[block.column]) >= _FILLS
    if _flat(block) and not fills:
        fused = schedule.fuse(*loops)
        outer, inner = schedule.split(fused, [None, _lanes(schedule, fused, machine)])
        schedule.parallel(outer)
        schedule.vectorize(inner)
        return
    *outer, inner = loops
    if outer:
        schedule.parallel(schedule.fuse(*outer))
    piece = _piece(block, machine)
    if piece:
        _, inner = schedule.split(inner, [None, piece])
    vectorize_innermost(schedule, inner, machine)
    if block.chooses:
        # Parts of a concatenation become loops of their own, so that no element asks where it is from.
        along = schedule.get_loops(block.handle)[1 if outer else 0]
        schedule.annotate(along, "pragma_loop_partition_hint", True)


def _flat(block: KernelBlock) -> bool:
    """Whether every tensor has the output's shape and order, so that the loops may be one."""
    written = [
        sorted(name for name in variables(index) if not block.has_bytes or block.extents[name] > 1)
        for index in block.stmt.body.indices
    ]
    # One value for all, as a zero point is, or the beginning of a table.
    reads = [read for read in block.reads if any(read.used) or not block.has_bytes]
    return all([sorted(names) for names in read.used] == written for read in reads) and all(
        str(value) == str(index)
        for read in reads
        for value, index in zip(read.indices, block.stmt.body.indices, strict=True)
    )


def _piece(block: KernelBlock, machine: Machine) -> int:
    """How many neighbouring columns are neighbours in what is read, where vectors would go beyond; otherwise 0."""
    if block.column is None:
        return 0
    length = block.extents[block.column]
    lanes = machine.widest_vector(length)
    moduli = remainders(block, block.column)
    return next((n for n in moduli if length % n == 0 and n % lanes), 0)


def _lanes(schedule: Schedule, loop: object, machine: Machine) -> int:
    length = int(schedule.get(loop).extent)
    return machine.widest_vector(length)
