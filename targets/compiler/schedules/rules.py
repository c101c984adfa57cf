"""The rules in the order in which they are asked, and how a kernel's blocks are given to them."""

from __future__ import annotations

from collections.abc import Collection

from tvm import tirx
from tvm.s_tir import Schedule

from blockfront.targets.compiler.schedules import (
    contraction,
    elementwise,
    largest,
    rows,
    shuffle,
    transform,
    window,
)
from blockfront.targets.compiler.schedules.analysis import KernelBlock
from blockfront.targets.compiler.schedules.inlining import root_blocks
from blockfront.targets.compiler.schedules.rule import NotScheduled, Rule, reported_as, suited
from blockfront.targets.compiler.schedules.tiles import Packing
from blockfront.targets.hardware.machine import Machine

ELEMENTWISE = Rule("elementwise", elementwise.matches, elementwise.apply)

RULES: tuple[Rule, ...] = (
    Rule("transform", transform.matches, transform.apply, whole=True),
    Rule("largest", largest.matches, largest.apply, whole=True),
    Rule("contraction", contraction.matches, contraction.apply),
    Rule("rows", rows.matches, rows.apply, whole=True),
    Rule("window", window.matches, window.apply),
    Rule("apart", rows.matches_apart, rows.apply, whole=True),
    Rule("shuffle", shuffle.matches, shuffle.apply),
    ELEMENTWISE,
)
"""A block gets the first that matches it."""


def rule_for(block: KernelBlock, machine: Machine) -> Rule | None:
    """The first rule that matches a block; None when none does."""
    for rule in RULES:
        with reported_as(rule.name):
            if rule.matches(block, suited(machine, block)):
                return rule
    return None


def apply_rules(schedule: Schedule, machine: Machine, constants: Collection[str]) -> tuple[str, list[Packing]]:
    """Schedule a kernel: the names of the rules that did, and the layouts they want of `constants`.

    A rule for whole kernels is asked for by any block. Else reductions come first, because what is computed beside
    them may become part of their loops. Raises `NotScheduled` when a block has no rule, or its rule fails.
    """
    given = [(block, rule_for(block, machine)) for block in root_blocks(schedule)]
    whole = [(block, rule) for block, rule in given if rule is not None and rule.whole]
    if whole:
        asked_by, first = min(whole, key=lambda pair: RULES.index(pair[1]))
        packing = _apply(first, schedule, asked_by, machine, constants)
        return first.name, [packing] if packing else []
    packings: list[Packing | None] = []
    used: list[Rule] = []
    for block, rule in given:
        if rule is None:
            raise NotScheduled(f"no rule matches its block {block.name}")
        if block.reduced:
            packings.append(_apply(rule, schedule, block, machine, constants))
            used.append(rule)
    for block in root_blocks(schedule):
        rule = rule_for(block, machine) if _untouched(schedule, block) else None
        if rule is not None:
            packings.append(_apply(rule, schedule, block, machine, constants))
            used.append(rule)
    names = dict.fromkeys(rule.name for rule in used if rule is not ELEMENTWISE)
    return "+".join(names) or ELEMENTWISE.name, [packing for packing in packings if packing]


def _apply(
    rule: Rule, schedule: Schedule, block: KernelBlock, machine: Machine, constants: Collection[str]
) -> Packing | None:
    with reported_as(rule.name):
        return rule.apply(schedule, block, suited(machine, block), constants)


def _untouched(schedule: Schedule, block: KernelBlock) -> bool:
    loops = [schedule.get(loop) for loop in schedule.get_loops(block.handle)]
    return all(loop.kind == tirx.ForKind.SERIAL for loop in loops)
