"""Rules that turn unscheduled kernels into vectorised, register-tiled, parallel ones, without tuning."""

from __future__ import annotations

from dataclasses import dataclass

from tvm import tirx
from tvm.s_tir import Schedule

from bench.targets.schedules import contraction, elementwise, rows, window
from bench.targets.schedules.analysis import Block
from bench.targets.schedules.inlining import inline_elementwise, root_blocks
from bench.targets.schedules.machine import Machine

__all__ = ["Machine", "ScheduledKernel", "kernel_macs", "schedule_kernel"]


@dataclass(frozen=True)
class ScheduledKernel:
    """A kernel after its rule. `rule` is None when no rule covered it, and then it is as TVM made it."""

    function: tirx.PrimFunc
    rule: str | None


def schedule_kernel(function: tirx.PrimFunc, machine: Machine) -> ScheduledKernel:
    """Apply the first rule that matches each reduction of `function`, and the element-wise rule to the rest."""
    schedule = Schedule(function)
    try:
        rule = _apply_rules(schedule, machine)
    except Exception:
        # A shape a rule did not foresee must cost that kernel its schedule, not the network its number.
        rule = None
    scheduled = schedule.mod["main"] if rule else function
    for name in ("global_symbol", "op_pattern"):
        if function.attrs and name in function.attrs:
            scheduled = scheduled.with_attr(name, function.attrs[name])
    return ScheduledKernel(scheduled, rule)


def _apply_rules(schedule: Schedule, machine: Machine) -> str | None:
    inline_elementwise(schedule)
    names = []
    reductions = [block for block in root_blocks(schedule) if block.is_reduction]
    for block in reductions:
        if rows.matches(block) and not contraction.matches(block):
            rows.apply(schedule, block, machine)
            return "rows"
    for block in reductions:
        if not block.reduced and not block.multiplies:
            continue
        for name, rule in (("contraction", contraction), ("window", window)):
            if rule.matches(block):
                rule.apply(schedule, block, machine)
                names.append(name)
                break
        else:
            return None
    for block in root_blocks(schedule):
        if _untouched(schedule, block):
            elementwise.apply(schedule, block, machine)
    return "+".join(dict.fromkeys(names)) or "elementwise"


def _untouched(schedule: Schedule, block: Block) -> bool:
    loops = [schedule.get(loop) for loop in schedule.get_loops(block.handle)]
    return all(loop.kind == tirx.ForKind.SERIAL for loop in loops)


def kernel_macs(function: tirx.PrimFunc) -> int:
    """Multiply-accumulates of one execution of an unscheduled kernel."""
    return sum(block.macs for block in root_blocks(Schedule(function)) if block.is_reduction)
