"""How a contraction's loops are cut and ordered, from extents alone."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from blockfront.targets.compiler.schedules.loop_nest import Extents, choose_loops
from blockfront.targets.hardware.machine import Machine

A72 = Machine(lanes=4, registers=32, threads=2, fma_latency=7, l1_bytes=32 * 1024, l2_bytes=512 * 1024)
# A pointwise convolution of 28 × 28 pixels from 32 channels to 64.
POINTWISE = Extents(outer=1, high=28, wide=28, columns=64, values=28 * 28 * (32 + 64), weights=32 * 64)


def test_columns_are_inside_the_rows_while_the_weights_fit_three_quarters_of_the_first_cache():
    kept = 3 * 32 * 1024 // 4 // 4
    assert not choose_loops(replace(POINTWISE, weights=kept), A72).rows_inside
    assert choose_loops(replace(POINTWISE, weights=kept + 1), A72).rows_inside


def test_a_part_of_the_rows_fits_a_quarter_of_the_second_cache():
    large = replace(POINTWISE, high=112, wide=112, values=112 * 112 * 96)
    parts = choose_loops(large, A72).parts
    assert 4 * large.values / parts <= 512 * 1024 / 4
    assert choose_loops(POINTWISE, A72).parts < parts


def test_cores_share_the_columns_of_a_classifier_which_has_one_row():
    classifier = Extents(outer=1, high=None, wide=1, columns=1000, values=2280, weights=1_280_000)
    nest = choose_loops(classifier, A72)
    assert nest.split_columns
    assert nest.parts == 1
    assert not choose_loops(classifier, replace(A72, threads=1)).split_columns


def test_weights_that_come_from_memory_do_so_once():
    heavy = replace(POINTWISE, high=8, wide=8, columns=512, values=64 * 1024, weights=512 * 512)
    assert choose_loops(heavy, A72).parts == 1
    assert choose_loops(replace(heavy, weights=32 * 1024), A72).parts > 1


def test_lines_with_weights_of_their_own_are_never_in_one_tile():
    narrow = replace(POINTWISE, high=8, wide=2, columns=8)
    assert choose_loops(narrow, A72).tile.height > 1
    assert choose_loops(replace(narrow, apart=True), A72).tile.height == 1


@given(
    outer=st.integers(1, 4),
    high=st.none() | st.integers(1, 60),
    wide=st.integers(1, 60),
    columns=st.integers(1, 200),
    threads=st.integers(1, 8),
)
def test_every_part_has_as_many_rows_and_no_vector_is_partly_used(outer, high, wide, columns, threads):
    outer = 1 if high is None else outer
    rows = outer * (high or 1) * wide
    extents = Extents(outer, high, wide, columns, values=rows * columns, weights=columns * 32)
    nest = choose_loops(extents, replace(A72, threads=threads))
    lines = -(-wide // nest.tile.width) if high is None else outer * high // nest.tile.height
    assert lines % nest.parts == 0
    assert columns % (nest.tile.vectors * nest.tile.lanes) == 0
    assert nest.cut == (wide % nest.tile.width > 0)
