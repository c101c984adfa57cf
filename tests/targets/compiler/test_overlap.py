"""How the model of a core adds up: work that overlaps, waits, and lines by the level they come from."""

import math
from dataclasses import replace

import pytest

from blockfront.targets import get_target
from blockfront.targets.latency.prediction.core_model import Coefficients, CoreModel, work_of
from blockfront.targets.latency.prediction.fitting import Observation, fit
from blockfront.targets.latency.profiler import Counts, Profile, Region

NOTHING = Coefficients(multiply_add=0, other=0, word=0, l1_line=0, memory_line_ns=0, transfer=0)
# A cycle is a nanosecond, a line takes memory as long, and a vector has four numbers.
BOARD = replace(
    get_target("rk3399"), clock_ghz=1.0, bandwidth_gbs=64.0, simd_bits=128, loads_per_cycle=2, l3_bytes=0, cores=1
)


def cycles(board=BOARD, counts=None, **coefficients):
    """What the model says of a million times these counts, in cycles for each."""
    values = Coefficients(**{name: coefficients.get(name, default) for name, default in _defaults().items()})
    scaled = Counts(**{name: 1_000_000 * amount for name, amount in counts.items()})
    return CoreModel("core", values, "here").milliseconds(Profile((Region((scaled,)),)), board)


def _defaults():
    return {name: getattr(NOTHING, name) for name in NOTHING.__struct_fields__}


@pytest.mark.parametrize(("overlap", "expected"), [(1.0, 3 + 4), (2.0, 5.0), (200.0, 4.0)])
def test_work_of_the_core_adds_up_by_its_overlap(overlap, expected):
    counts = {"multiply_add": 3, "integer": 4}
    assert cycles(counts=counts, multiply_add=1, other=1, overlap=overlap) == pytest.approx(expected, rel=0.01)


def test_lines_come_on_top_of_what_overlaps():
    counts = {"multiply_add": 3, "l1_misses": 2}
    assert cycles(counts=counts, multiply_add=1, l1_line=5, overlap=4.0) == pytest.approx(3 + 10)


def test_values_that_wait_for_each_other_bound_a_core_that_does_all_at_once():
    counts = {"multiply_add": 8, "dataflow_64": 16}
    assert cycles(counts=counts, multiply_add=0.5, dataflow=1, overlap=100.0) == pytest.approx(16, rel=0.01)
    assert cycles(counts={"multiply_add": 8}, multiply_add=0.5, dataflow=1, overlap=100.0) == pytest.approx(4)


@pytest.mark.parametrize(("window", "expected"), [(64, 16), (91, 8), (128, 4)])
def test_a_core_waits_as_long_as_one_that_looks_as_far_ahead_or_between_two(window, expected):
    counts = {"dataflow_64": 16, "dataflow_128": 4}
    assert cycles(counts=counts, dataflow=1, window=window) == pytest.approx(expected)


def test_a_division_is_ten_others_or_has_a_cost_of_its_own():
    counts = {"vector": 12, "divisions": 1}
    assert cycles(counts=counts, other=1) == pytest.approx(12)
    assert cycles(counts=counts, other=1, division=5) == pytest.approx(2 + 5)


def test_a_store_takes_as_long_as_the_loads_of_a_cycle():
    assert cycles(counts={"load": 6, "load_bytes": 6 * 16}, word=1) == pytest.approx(6)
    assert cycles(counts={"store": 6, "store_bytes": 6 * 16}, word=1) == pytest.approx(12)
    # Two registers in one instruction are two words; a single number is one.
    assert cycles(counts={"load": 3, "load_bytes": 3 * 32}, word=1) == pytest.approx(6)
    assert cycles(counts={"load": 3, "load_bytes": 3 * 4}, word=1) == pytest.approx(3)


def test_a_line_costs_what_the_level_it_is_found_in_costs():
    third = replace(BOARD, l3_bytes=2**22)
    counts = {"l1_misses": 10, "l2_misses": 6, "l3_misses": 2}
    known = {"l1_line": 1.0, "l2_line": 10.0, "transfer": 100.0}
    assert cycles(third, counts, **known) == pytest.approx((10 - 2) * 1 + (6 - 2) * 10 + 2 * 100)
    assert cycles(BOARD, counts, **known) == pytest.approx((10 - 6) * 1 + 6 * 100)


def test_a_third_level_that_has_every_line_leaves_none_to_memory():
    third = replace(BOARD, l3_bytes=2**22)
    assert cycles(third, {"l1_misses": 10, "l2_misses": 10}, transfer=100.0) == 0


def test_a_fit_leaves_out_what_the_prior_leaves_out():
    profiles = [Profile((Region((Counts(multiply_add=1000 * i, integer=7000 // i),)),)) for i in range(1, 9)]
    true = Coefficients(multiply_add=2.0, other=0.5, word=1, l1_line=1, memory_line_ns=1, transfer=1, overlap=2.0)
    work = [work_of(profile, BOARD, true) for profile in profiles]
    seen = [Observation(one, one.milliseconds(true.array()), str(i), "board") for i, one in enumerate(work)]
    prior = Coefficients(multiply_add=1, other=1, word=1, l1_line=1, memory_line_ns=1, transfer=1, overlap=2.0)
    found = fit(seen, prior)
    assert (found.dataflow, found.l2_line, found.overlap) == (0.0, 0.0, 2.0)
    assert (found.multiply_add, found.other) == (pytest.approx(2.0, rel=0.05), pytest.approx(0.5, rel=0.05))
    assert math.isclose(found.word, 1.0)
