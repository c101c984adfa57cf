"""Rules that turn unscheduled kernels into vectorised, register-tiled, parallel ones, without tuning."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tvm import tirx
from tvm.s_tir import Schedule

from bench.targets.schedules import contraction, cutting, elementwise, rows, sharing, shuffle, transform, window
from bench.targets.schedules.analysis import Block
from bench.targets.schedules.inlining import fold_biases, inline_elementwise, root_blocks
from bench.targets.schedules.machine import Machine
from bench.targets.schedules.tiles import Packing

__all__ = ["Machine", "ScheduledKernel", "kernel_macs", "schedule_kernel"]


class _Schedule(Schedule):
    """TVM's schedule without the checks of argument types in Python, which take as long as scheduling."""


for _name, _method in vars(Schedule).items():
    if hasattr(_method, "__wrapped__"):
        setattr(_Schedule, _name, _method.__wrapped__)


@dataclass(frozen=True)
class ScheduledKernel:
    """A kernel after its rule. `rule` is None when no rule covered it, and then it is as TVM made it.

    `packed`: (position of an argument, columns) for every constant argument [..., n] that the schedule expects as
    [n / columns, ..., columns].
    """

    function: tirx.PrimFunc
    rule: str | None
    packed: tuple[tuple[int, int], ...] = ()


def schedule_kernel(function: tirx.PrimFunc, machine: Machine, constants: Collection[int] = ()) -> ScheduledKernel:
    """Apply the first rule that matches each reduction of `function`, and the element-wise rule to the rest.

    `constants` are the positions of arguments known when compiling: a rule may ask for another layout of them.
    """
    names = [str(parameter.name) for parameter in function.params]
    try:
        scheduled, rule, packings = _scheduled(function, machine, {names[position] for position in constants})
    except Exception:
        # A shape a rule did not foresee must cost that kernel its schedule, not the network its number.
        return ScheduledKernel(function, None)
    if rule is None:
        return ScheduledKernel(function, None)
    packed = tuple((names.index(packing.tensor), packing.columns) for packing in packings)
    return ScheduledKernel(scheduled, rule, packed)


def _scheduled(
    function: tirx.PrimFunc, machine: Machine, constants: Collection[str]
) -> tuple[tirx.PrimFunc, str | None, list[Packing]]:
    """The kernel by its rules, in parts where some of its vectors would not be whole, on one core where it is short."""
    schedule = _prepared(function)
    short = sharing.is_short(schedule, machine)
    packings: list[Packing] = []
    widths = cutting.part_widths(schedule, machine)
    if widths and len(root_blocks(schedule)) == 1:
        # A part's results are stored by a block of their own.
        schedule = _prepared(function, bias_last=True)
    if widths and len(root_blocks(schedule)) == 2:
        parts = [_Schedule(part) for part in cutting.cut(schedule.mod["main"], widths)]
        rules = {_apply_rules(part, machine, ())[0] for part in parts}
        scheduled, rule = cutting.joined([part.mod["main"] for part in parts]), rules.pop()
    else:
        rule, packings = _apply_rules(schedule, machine, constants)
        scheduled = schedule.mod["main"]
    return sharing.on_one_core(scheduled) if short else scheduled, rule, packings


def _prepared(function: tirx.PrimFunc, bias_last: bool = False) -> Schedule:
    """The kernel's reductions with what is done to their results, ready for the rules."""
    schedule = _Schedule(function)
    if not bias_last:
        fold_biases(schedule)
    inline_elementwise(schedule)
    return schedule


def _apply_rules(schedule: Schedule, machine: Machine, constants: Collection[str]) -> tuple[str | None, list[Packing]]:
    if any(transform.matches(block) for block in root_blocks(schedule)):
        transform.apply(schedule, machine)
        return "transform", []
    names: list[str] = []
    packings: list[Packing] = []
    reductions = [block for block in root_blocks(schedule) if block.is_reduction]
    for block in reductions:
        if rows.matches(block) and not contraction.matches(block):
            rows.apply(schedule, block, machine)
            return "rows", []
    for block in reductions:
        if contraction.matches(block):
            packing = contraction.apply(schedule, block, machine, constants)
            packings += [packing] if packing else []
            names.append("contraction")
        elif window.matches(block):
            window.apply(schedule, block, machine)
            names.append("window")
        elif block.reduced:
            return None, []
    for block in root_blocks(schedule):
        if not _untouched(schedule, block):
            continue
        if shuffle.matches(block, machine):
            shuffle.apply(schedule, block, machine)
            names.append("shuffle")
        else:
            elementwise.apply(schedule, block, machine)
    return "+".join(dict.fromkeys(names)) or "elementwise", packings


def _untouched(schedule: Schedule, block: Block) -> bool:
    loops = [schedule.get(loop) for loop in schedule.get_loops(block.handle)]
    return all(loop.kind == tirx.ForKind.SERIAL for loop in loops)


def kernel_macs(function: tirx.PrimFunc) -> int:
    """Multiply-accumulates of one execution of an unscheduled kernel."""
    return sum(block.macs for block in root_blocks(_Schedule(function)) if block.is_reduction)
