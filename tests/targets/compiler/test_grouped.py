"""Groups that fill no whole vectors compute a few columns more, where that is less work."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockfront.targets.compiler.grouped import padded_columns
from blockfront.targets.hardware.machine import Machine

A72 = Machine(lanes=4, registers=32, threads=2, fma_latency=7, lane_operands=True)
AVX512 = Machine(lanes=16, registers=32, threads=2, fma_per_cycle=2, loads_per_cycle=2)


@pytest.mark.parametrize(
    ("machine", "columns", "padded"),
    [(AVX512, 14, 16), (AVX512, 56, 64), (AVX512, 6, 8), (AVX512, 32, 32), (A72, 14, 16), (A72, 6, 8), (A72, 12, 12)],
)
def test_groups_that_fill_no_vectors_are_padded_to_whole_ones(machine, columns, padded):
    assert padded_columns(columns, 400, machine) == padded


def test_short_sums_are_not_worth_the_pass_that_throws_columns_away():
    assert padded_columns(6, 2, AVX512) == 6


@given(columns=st.integers(1, 300), steps=st.integers(1, 1000), machine=st.sampled_from([A72, AVX512]))
def test_no_column_is_lost_and_less_than_a_vector_is_added(columns, steps, machine):
    assert 0 <= padded_columns(columns, steps, machine) - columns < machine.lanes
