"""What the table of token reduction says, by arithmetic done by hand."""

from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def token_table(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import token_table

    return token_table


def reduced(token_table, method="tome", **figures):
    known = {"target": 0.6, "macs": 60e6, "plain_macs": 100e6, "ms": 7.0, "plain_ms": 10.0}
    return token_table.Reduced(model="small", method=method, **known | figures)


def test_three_tenths_of_the_time_saved_by_four_tenths_of_the_macs_are_three_quarters_of_the_gain(token_table):
    assert reduced(token_table).arrives == pytest.approx(0.75)
    assert reduced(token_table, ms=10.0).arrives == 0


def test_what_a_method_costs_is_its_time_beyond_that_of_slicing(token_table):
    assert reduced(token_table, sliced_ms=6.5).overhead_ms == pytest.approx(0.5)
    assert reduced(token_table).overhead_ms is None


def test_another_engine_is_judged_against_its_own_plain_network(token_table):
    assert reduced(token_table, other_ms=16.0, other_plain_ms=20.0).other_arrives == pytest.approx(0.5)
    assert reduced(token_table, other_ms=16.0).other_arrives is None


def test_the_table_says_where_a_reduced_network_is_slower_than_the_plain_one(token_table):
    rows = [reduced(token_table), reduced(token_table, "ltmp", ms=11.0, other_ms=21.0, other_plain_ms=20.0)]
    plain, fast, slow = token_table.table(rows, "peer").splitlines()[2:]
    assert plain.split(" | ")[:6] == ["| small", "plain", "", "100", "100 %", "10.00"]
    assert "75%" in fast
    assert "slower than plain" not in fast
    assert slow.count("slower than plain") == 2


def test_the_verdict_names_what_misses_the_goal(token_table):
    rows = [reduced(token_table, "evit", ms=6.5), reduced(token_table), reduced(token_table, target=0.9, ms=11.0)]
    said = token_table.verdict(rows, 0.6, 0.85)
    assert "1 of 2 miss it: small tome 75%." in said
    assert "does for all 1: small evit has the least, 87%" in token_table.verdict(rows[:1], 0.6, 0.85)
    assert token_table.verdict(rows, 0.45, 0.85) == "Nothing was timed at 0.45."


def test_a_network_that_slices_has_the_counts_of_the_reduced_one_and_runs(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from slicing import find_sliced

    from blockfront.blocks.tokens import count_macs
    from blockfront.design_space import Network

    for method in ("ltmp", "cropr"):
        text = f"vit_32_n10/p4_d4_w32_h2_m4/{method}_target0.6"
        sliced = find_sliced(f"{text}/sliced", 32).build().eval()
        assert count_macs(sliced) == count_macs(Network.parse(text).deployed())
        run = sliced.run(torch.randn(1, 3, 32, 32))
        attended, kept = run.counts()
        assert (attended[:, 0].tolist(), kept[:, 0].tolist()) == sliced.reducer.counts(65)
