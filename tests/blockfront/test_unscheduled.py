"""Whoever asks for a network's kernels is told why one has no schedule."""

from __future__ import annotations

import json
import re

import pytest

from blockfront.targets.compiler.schedules import rules
from blockfront.targets.compiler.schedules.rule import Rule
from tests.blockfront.conftest import keep_changed

pytestmark = pytest.mark.compiles

NETWORK = "cnn_32_n10/stem_k3_s2_c8_nrelu/ds_r1_k3_s2_c16_nrelu/head"
PROFILE = ("profile", NETWORK, "--target", "rk3399", "--runner", "roofline", "--quiet")
REASON = re.compile(r"^(\S+) is unscheduled: (picky failed: ValueError: \w+ is not to my taste)$", re.MULTILINE)


def fail(schedule, block, machine, constants):
    raise ValueError(f"{block.name} is not to my taste")


@pytest.fixture
def picky(monkeypatch, tmp_path):
    """Windows get a rule that fails; no kernel is known yet, and nothing is being debugged."""
    window = next(rule for rule in rules.RULES if rule.name == "window")
    monkeypatch.setattr(rules, "RULES", (Rule("picky", window.matches, fail), *rules.RULES))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("BENCH_DEBUG", raising=False)


def test_a_rules_failure_is_shown_under_the_table_also_when_the_kernel_is_from_the_cache(picky, bench, monkeypatch):
    first = bench(*PROFILE)
    assert first.code == 0, first.errors
    named = REASON.findall(first.output)
    profiled = json.loads(bench(*PROFILE, "--json").output)
    assert named
    assert sorted(profiled["unscheduled_kernel_names"]) == sorted(name for name, _ in named)
    assert {kernel["name"]: kernel["reason"] for kernel in profiled["kernels"] if kernel["reason"]} == dict(named)
    # The rule has gone: what is shown now was kept.
    monkeypatch.setattr(rules, "RULES", rules.RULES[1:])
    assert REASON.findall(bench(*PROFILE).output) == named


def test_a_studys_network_shows_the_reasons_kept_with_it(bench, finished, tmp_path):
    reason = "picky failed: ValueError: conv is not to my taste"
    names = []

    def unscheduled(kept):
        kernel, other = kept["latency"]["kernels"][:2]
        kernel.update(rule=None, reason=reason)
        other.update(rule="dlight Fallback", reason="dlight GEMV failed: KeyError: 3")
        names.extend((kernel["name"], other["name"]))

    said = bench("show", keep_changed(finished, tmp_path, unscheduled))
    assert said.code == 0, said.errors
    kernel, other = names
    assert REASON.findall(said.output) == [(kernel, reason)]
    assert f"{other} is scheduled by dlight Fallback: dlight GEMV failed: KeyError: 3" in said.output
    assert said.output.count("scheduled") == 3
