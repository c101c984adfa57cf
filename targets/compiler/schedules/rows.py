"""Softmax, layer norm and other kernels that reduce along the dimension stored innermost."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tvm import ir
from tvm.s_tir import Schedule

from blockfront.targets.compiler.schedules.analysis import KernelBlock, extent, spatial, variables, walk
from blockfront.targets.compiler.schedules.epilogue import vectorize_innermost
from blockfront.targets.compiler.schedules.inlining import is_padding, root_blocks
from blockfront.targets.hardware.machine import Machine


def matches(block: KernelBlock, machine: Machine) -> bool:
    """The innermost index of everything read is the reduction's last variable."""
    return bool(block.reduced) and all(
        read.used[-1] == {block.reduced[-1]} and read.contiguous(block.reduced[-1])
        for read in (read.trimmed for read in block.reads)
        if read.uses(block.reduced[-1])
    )


def matches_apart(block: KernelBlock, machine: Machine) -> bool:
    """Whatever else reduces, as a diagonal or a channel of an image does: values lie apart, and are read one by one."""
    return bool(block.reduced)


def apply(schedule: Schedule, block: KernelBlock, machine: Machine, constants: Collection[str]) -> None:
    """Schedule the whole kernel that `block` is part of: all its blocks one row at a time, rows in parallel.

    A row is what one result of the reductions is for. What all rows need, a border or the mean of a whole tensor, is
    computed once, before them. A reduction keeps one partial result for each lane of a vector and adds those up at the
    end of the row.
    """
    last = root_blocks(schedule)[-1]
    if last.is_reduction:
        last = KernelBlock(schedule, schedule.cache_write(last.handle, 0, "global"))
    for one in root_blocks(schedule):
        # A number has no loop that other blocks could be moved into, or that it could be moved by.
        if not spatial(one) or not schedule.get_loops(one.handle):
            schedule.add_unit_loop([*schedule.get_loops(one.handle), one.handle][0])
    partial = {
        _keep_partial_results(schedule, reduction, machine)
        for reduction in root_blocks(schedule)
        if reduction.is_reduction
    }
    count, once = _rows(root_blocks(schedule))
    loops = schedule.get_loops(last.handle)
    everything = schedule.add_unit_loop(loops[0])
    # Of what is computed before, the results themselves are the rows.
    row = schedule.fuse(*loops[: count or max(1, len(loops) - 1)])
    before = [one for one in root_blocks(schedule)[:-1] if not is_padding(one)]
    for earlier in reversed(before):
        schedule.compute_at(earlier.handle, everything if earlier.name in once else row, preserve_unit_loops=True)
    schedule.parallel(row)
    for earlier in before:
        if earlier.is_reduction:
            _schedule_reduction(schedule, earlier, earlier.name in partial, earlier.name in once)
        else:
            vectorize_innermost(schedule, schedule.get_loops(earlier.handle)[-1], machine)
    if len(loops := schedule.get_loops(last.handle)) > 2:
        vectorize_innermost(schedule, loops[-1], machine)


def _rows(blocks: list[KernelBlock]) -> tuple[int, set[str]]:
    """How many loops of the last block, the first ones, are over rows, and which blocks are the same for all rows."""
    *earlier, last = blocks
    places = _places(blocks)
    varied = set().union(*(places[one.name] for one in earlier if one.is_reduction))
    wide = [at for at, name in enumerate(spatial(last)) if last.extents[name] > 1]
    count = max(varied) + 1 if varied and sorted(varied) == wide[: len(varied)] else 0
    once: set[str] = set()
    read: set[Any] = set()
    for one in reversed(earlier):
        if not count or one.stmt.body.buffer in read or not places[one.name] >= varied:
            once.add(one.name)
            read |= {load.source for load in _loads(one)}
    return (0 if once >= {one.name for one in earlier if one.is_reduction} else count), once


def _places(blocks: list[KernelBlock]) -> dict[str, set[int]]:
    """By block, the loops of the last one along which different elements of what it computes are used."""
    last = blocks[-1]
    wide = [{at} if last.extents[name] > 1 else set() for at, name in enumerate(spatial(last))]
    followed: dict[Any, list[set[int]]] = {last.stmt.body.buffer: wide}
    found: dict[str, set[int]] = {}
    for block in reversed(blocks):
        indices = followed.get(block.stmt.body.buffer, [])
        follows: dict[str, set[int]] = {}
        for index, along in zip(block.stmt.body.indices, indices, strict=False):
            for name in variables(index):
                follows.setdefault(name, set()).update(along)
        for load in _loads(block):
            own = followed.setdefault(load.source, [set() for _ in load.indices])
            for along, index in zip(own, load.indices, strict=True):
                along.update(*(follows.get(name, set()) for name in variables(index)))
        found[block.name] = set().union(*indices)
    return found


def _loads(block: KernelBlock) -> list[Any]:
    """Names would not do: a kernel may have several tensors of one name."""
    return [node for node in walk(block.stmt.body.value) if isinstance(node, ir.TensorLoad)]


def _keep_partial_results(schedule: Schedule, block: KernelBlock, machine: Machine) -> str | None:
    """The name of the block that has them, if there are any."""
    if block.starts_from_memory:
        return None  # Each lane would start from it.
    loop = schedule.get_loops(block.handle)[-1]
    lanes = machine.widest_vector(extent(schedule, loop))
    if lanes == 1:
        return None
    factored = schedule.rfactor(schedule.split(loop, [None, lanes])[1], len(spatial(block)))
    return KernelBlock(schedule, factored).name


def _schedule_reduction(schedule: Schedule, block: KernelBlock, partial: bool, once: bool) -> None:
    """Reduction loops inside those over results, which are in parallel before all rows, and lanes inside those."""
    loops = schedule.get_loops(block.handle)[-len(block.extents) :]
    kinds = dict(zip(block.extents, loops, strict=True))
    steps = [loop for name, loop in kinds.items() if name not in spatial(block)]
    lanes = variables(block.stmt.body.indices[-1]) if partial else set()
    inner = [kinds[name] for name in lanes]
    outer = [kinds[name] for name in spatial(block) if name not in lanes]
    wide = [loop for loop in outer if extent(schedule, loop) > 1]
    schedule.reorder(*(loop for loop in outer if loop not in wide), *wide, *steps, *inner)
    if wide and once:
        schedule.parallel(schedule.fuse(*wide))
    if inner:
        schedule.vectorize(inner[0])
    schedule.decompose_reduction(block.handle, steps[0])
