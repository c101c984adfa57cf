"""The list of schedule rules: which one gets a block, and what becomes known of one that fails."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from blockfront.signature import Signature
from blockfront.targets import compile_model, get_target
from blockfront.targets.compiler.schedules import rules
from blockfront.targets.compiler.schedules.rule import Rule
from tests.targets.compiler.test_schedules import kernels_of

ARCHITECTURE = Path(__file__).parents[3] / "docs" / "architecture.md"


def fail(schedule, block, machine, constants):
    raise ValueError(f"{block.name} is not to my taste\nand more that nobody needs")


WINDOWS = next(rule for rule in rules.RULES if rule.name == "window")
PICKY = Rule("picky", WINDOWS.matches, fail)


@pytest.fixture
def picky(monkeypatch, tmp_path):
    """Windows get a rule that fails; no kernel is known yet, and nothing is being debugged."""
    monkeypatch.setattr(rules, "RULES", (PICKY, *rules.RULES))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("BENCH_DEBUG", raising=False)


def test_the_names_are_unique_and_the_documents_table_lists_them_in_their_order():
    names = [rule.name for rule in rules.RULES]
    assert len(set(names)) == len(names)
    section = ARCHITECTURE.read_text(encoding="utf-8").split("\n### Schedules\n")[1].split("\n### ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == names


def test_of_two_rules_that_match_the_first_in_the_list_gets_the_block(monkeypatch):
    twin = replace(WINDOWS, name="twin")
    before, after = (twin, *rules.RULES), (*rules.RULES, twin)
    for order, expected in ((before, "twin"), (after, "window")):
        monkeypatch.setattr(rules, "RULES", order)
        assert expected in {kernel.rule for kernel in kernels_of(nn.MaxPool2d(3, 2, 1))}


def test_a_rule_for_whole_kernels_leaves_nothing_to_later_ones(monkeypatch):
    monkeypatch.setattr(rules, "ELEMENTWISE", Rule("unused", rules.ELEMENTWISE.matches, fail))
    softmax = [rule if rule.name != "elementwise" else rules.ELEMENTWISE for rule in rules.RULES]
    monkeypatch.setattr(rules, "RULES", tuple(softmax))
    assert [kernel.rule for kernel in kernels_of(nn.LayerNorm(14))] == ["rows"]


@pytest.mark.compiles
def test_a_rule_that_fails_costs_its_kernel_the_schedule_and_not_the_network(picky, tiny):
    program = compile_model(tiny, Signature.image(16), get_target("rk3399"), seed=0)
    reasons = {kernel.name: kernel.reason for kernel in program.kernels if kernel.reason}
    assert tuple(reasons) == program.unscheduled_kernels
    assert len(reasons) >= 2
    assert program.max_rel_error <= 1e-4
    for reason in reasons.values():
        assert re.fullmatch(r"picky failed: ValueError: \w+ is not to my taste", reason)


@pytest.mark.compiles
def test_debugging_raises_what_a_rule_does_although_the_cache_has_the_kernel(picky, tiny, monkeypatch):
    compile_model(tiny, Signature.image(16), get_target("rk3399"), seed=0)
    monkeypatch.setenv("BENCH_DEBUG", "1")
    with pytest.raises(RuntimeError, match=r"ValueError: .* is not to my taste") as raised:
        compile_model(tiny, Signature.image(16), get_target("rk3399"), seed=0)
    assert raised.value.__cause__.__traceback__.tb_next is not None
    assert isinstance(raised.value.__cause__, ValueError)


def test_a_kernel_that_no_rule_matches_says_so_and_is_no_failure_to_debug(monkeypatch):
    monkeypatch.setenv("BENCH_DEBUG", "1")
    monkeypatch.setattr(rules, "RULES", ())
    (kernel,) = kernels_of(nn.ReLU())
    assert kernel.reason.startswith("no rule matches its block ")


def test_tvms_own_words_are_told_without_the_kernel_it_prints(monkeypatch):
    def split_badly(schedule, block, machine, constants):
        schedule.split(schedule.get_loops(block.handle)[0], [None, None])

    monkeypatch.setattr(rules, "RULES", (Rule("odd", lambda *_: True, split_badly),))
    monkeypatch.delenv("BENCH_DEBUG", raising=False)
    (kernel,) = kernels_of(nn.ReLU())
    assert kernel.reason == (
        "odd failed: ScheduleError: An error occurred in the schedule primitive 'split'. "
        "Only one factor can be specified as -1 or none"
    )
