import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockfront.targets.compiler.schedules.tiles import (
    Neighbours,
    balance,
    chunks,
    column_parts,
    contraction_tile,
    window_tile,
)
from blockfront.targets.hardware.machine import Machine

A72 = Machine(lanes=4, registers=32, threads=2, fma_latency=7, lane_operands=True)
AVX2 = Machine(lanes=8, registers=16, threads=2, fma_per_cycle=2, loads_per_cycle=2)
AVX512 = Machine(lanes=16, registers=32, threads=2)
MACHINES = [A72, AVX2, AVX512]


def test_neighbouring_rows_of_a_line_share_what_is_loaded():
    stem = Neighbours(steps=9, apart=6)  # 3 × 3 pixels of 3 channels, every second
    assert [stem.registers(rows, 4) for rows in (1, 2, 8)] == [3, 4, 13]
    assert Neighbours(4).registers(8, 4) == 8


@pytest.mark.parametrize("machine", MACHINES)
@given(
    high=st.integers(1, 60),
    wide=st.integers(1, 60),
    columns=st.integers(1, 130).map(lambda n: 8 * n),
    shared=st.sampled_from([Neighbours(), Neighbours(4), Neighbours(9, 6)]),
)
def test_accumulators_operands_and_a_spare_fit_the_registers(machine, high, wide, columns, shared):
    tile = contraction_tile(high, wide, columns, machine, shared=shared)
    rows = tile.height * tile.width
    operands = shared.registers(rows, machine.lanes) + 3 if shared.steps > 1 else tile.vectors + 1
    assert rows * tile.vectors + operands <= machine.registers
    assert columns % (tile.vectors * tile.lanes) == 0
    assert tile.height == 1 or (tile.width == wide and high % tile.height == 0)


def test_a_wide_layer_fills_the_whole_vector():
    for machine in MACHINES:
        assert contraction_tile(56, 56, 256, machine).lanes == machine.lanes


def test_a_tile_never_straddles_two_groups():
    tile = contraction_tile(14, 14, 128, A72, within=8)
    assert 8 % (tile.vectors * tile.lanes) == 0


def test_a_prime_number_of_rows_still_gets_a_tile_of_several_rows():
    assert contraction_tile(1, 197, 192, AVX512).width > 3


def test_a_short_last_tile_is_worth_larger_ones_before_it():
    assert contraction_tile(27, 27, 256, AVX512).width == 6
    assert contraction_tile(1, 784, 256, A72, shared=Neighbours(4)).width == 5


@pytest.mark.parametrize("machine", MACHINES)
@given(side=st.integers(1, 60), columns=st.integers(1, 1000), steps=st.integers(1, 1000))
def test_parts_make_up_all_columns(machine, side, columns, steps):
    assert sum(column_parts(side, side, columns, steps, machine)) == columns


def test_columns_that_fill_no_vector_are_cut_where_that_pays():
    assert column_parts(28, 28, 58, 58, A72, shared=Neighbours(2)) == [56, 2]
    assert column_parts(28, 28, 64, 64, A72, shared=Neighbours(4)) == [64]
    assert column_parts(2, 2, 58, 58, A72, shared=Neighbours(2)) == [58]


def test_one_row_keeps_its_weights_in_order():
    assert column_parts(1, 1, 1001, 1280, AVX512) == [1001]


@pytest.mark.parametrize("machine", MACHINES)
@given(wide=st.integers(1, 112), columns=st.integers(1, 1000))
def test_window_tiles_divide_both_extents(machine, wide, columns):
    tile = window_tile(wide, columns, machine)
    assert wide % tile.width == 0
    assert columns % (tile.vectors * tile.lanes) == 0


@given(extent=st.integers(1, 300), threads=st.integers(1, 8), least=st.integers(1, 400))
def test_chunks_divide_the_loop_and_are_as_many_as_asked(extent, threads, least):
    parts = chunks(extent, threads, least)
    assert extent % parts == 0
    assert parts >= min(least, extent)


def test_chunks_prefer_what_the_threads_divide():
    assert chunks(56, 2) == 2
    assert chunks(14, 4) in (2, 7, 14)
    assert balance(7, 2) == pytest.approx(7 / 8)
    assert balance(8, 2) == 1.0
