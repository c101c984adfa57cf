"""Rules that turn unscheduled kernels into vectorised, register-tiled, parallel ones, without tuning."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tvm import tirx
from tvm.s_tir import Schedule

from blockfront.targets.compiler.schedules import cutting, sharing, words
from blockfront.targets.compiler.schedules.inlining import fold_biases, inline_elementwise, root_blocks
from blockfront.targets.compiler.schedules.rule import NotScheduled, reported_as
from blockfront.targets.compiler.schedules.rules import apply_rules
from blockfront.targets.compiler.schedules.tiles import Packing
from blockfront.targets.compiler.schedules.unchecked import UncheckedSchedule
from blockfront.targets.compiler.suppressing import SCHEDULED
from blockfront.targets.hardware.machine import Machine

__all__ = ["Machine", "ScheduledKernel", "kernel_macs", "schedule_kernel"]


@dataclass(frozen=True)
class ScheduledKernel:
    """A kernel after its rule. `rule` is None when no rule covered it, and then it is as TVM made it.

    `reason` then says why in one line: no rule matches it, or which one failed, and how. `packed`: (position of an
    argument, columns) for every constant argument [..., n] that the schedule expects as [n / columns, ..., columns].
    """

    function: tirx.PrimFunc
    rule: str | None
    packed: tuple[tuple[int, int], ...] = ()
    reason: str | None = None


def schedule_kernel(function: tirx.PrimFunc, machine: Machine, constants: Collection[int] = ()) -> ScheduledKernel:
    """Apply to each block of `function` the first of `rules.RULES` that matches it.

    `constants` are the positions of arguments known when compiling: a rule may ask for another layout of them. A kernel
    with loops of its own stays as it is.
    """
    if (own := _own_rule(function)) is not None:
        return ScheduledKernel(function, own)
    names = [str(parameter.name) for parameter in function.params]
    try:
        with reported_as("scheduling"):
            scheduled, rule, packings = _scheduled(function, machine, {names[position] for position in constants})
    except NotScheduled as reason:
        # A shape a rule did not foresee must cost that kernel its schedule, not the network its number.
        return ScheduledKernel(function, None, reason=str(reason))
    packed = tuple((names.index(packing.tensor), packing.columns) for packing in packings)
    return ScheduledKernel(scheduled, rule, packed)


def _scheduled(
    function: tirx.PrimFunc, machine: Machine, constants: Collection[str]
) -> tuple[tirx.PrimFunc, str, list[Packing]]:
    """The kernel by its rules, in parts where some of its vectors would not be whole, on one core where it is short."""
    blocks = root_blocks(UncheckedSchedule(function))
    if not blocks:
        raise NotScheduled("no rule matches its loops, which TVM wrote without blocks")
    for block in blocks:
        if not isinstance(block.stmt.body, tirx.BufferStore):
            raise NotScheduled(f"no rule matches its block {block.name}, which is no single value for each element")
    schedule = _prepared(function)
    short = sharing.is_short(schedule, machine)
    packings: list[Packing] = []
    widths = cutting.part_widths(schedule, machine)
    if widths and len(root_blocks(schedule)) == 1:
        # A part's results are stored by a block of their own.
        schedule = _prepared(function, bias_last=True)
    if widths and len(root_blocks(schedule)) == 2:
        parts = [UncheckedSchedule(part) for part in cutting.cut(schedule.mod["main"], widths)]
        rules = {apply_rules(part, machine, ())[0] for part in parts}
        scheduled, rule = cutting.joined([part.mod["main"] for part in parts]), rules.pop()
    else:
        rule, packings = apply_rules(schedule, machine, constants)
        scheduled = schedule.mod["main"]
    return sharing.on_one_core(scheduled) if short else scheduled, rule, packings


def _prepared(function: tirx.PrimFunc, bias_last: bool = False) -> Schedule:
    """The kernel's reductions with what is done to their results, ready for the rules."""
    schedule = UncheckedSchedule(words.as_arguments(function))
    if not bias_last:
        fold_biases(schedule)
    inline_elementwise(schedule)
    return schedule


def kernel_macs(function: tirx.PrimFunc) -> int:
    """Multiply-accumulates of one execution of an unscheduled kernel."""
    if _own_rule(function) is not None:
        return 0
    return sum(block.macs for block in root_blocks(UncheckedSchedule(function)) if block.is_reduction)


def _own_rule(function: tirx.PrimFunc) -> str | None:
    """The name that stands for a schedule where a kernel is written with its loops."""
    return None if function.attrs is None or SCHEDULED not in function.attrs else str(function.attrs[SCHEDULED])
