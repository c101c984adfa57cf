"""Cycles that values wait for one another, against closed forms."""

import ctypes

import pytest

pytestmark = pytest.mark.compiles

WINDOWS = (32, 64, 128, 256)
LATENCY, LOAD = 4, 6


class Step(ctypes.Structure):
    _fields_ = [
        ("latency", ctypes.c_uint8),
        ("sources", ctypes.c_uint8),
        ("source", ctypes.c_uint8 * 4),
        ("writes", ctypes.c_int8),
        ("loads", ctypes.c_bool),
        ("stores", ctypes.c_bool),
        ("bytes", ctypes.c_uint32),
        ("address", ctypes.c_uint64),
    ]


def adds(writes, *reads):
    return Step(latency=LATENCY, sources=len(reads), source=(ctypes.c_uint8 * 4)(*reads), writes=writes)


def load(writes, address):
    return Step(writes=writes, loads=True, bytes=32, address=address)


def store(reads, address):
    return Step(
        latency=1, sources=1, source=(ctypes.c_uint8 * 4)(reads), writes=-1, stores=True, bytes=32, address=address
    )


@pytest.fixture
def cycles(native_library):
    """Steps to their cycles for each window."""
    library = native_library("dataflow")
    library.follow.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

    def count(steps):
        found = (ctypes.c_uint64 * len(WINDOWS))()
        library.follow((Step * len(steps))(*steps), len(steps))
        library.take_cycles(found)
        return list(found)

    return count


def test_each_waits_for_the_one_before_it_whatever_the_window(cycles):
    assert cycles([adds(0, 0, 1)] * 1000) == [4000] * 4


def test_what_waits_for_nothing_is_bound_by_how_far_the_core_looks(cycles):
    assert cycles([adds(0, 1)] * 1024) == [1024 // window * LATENCY for window in WINDOWS]


@pytest.mark.parametrize("length", [16, 32])
def test_as_many_chains_overlap_as_the_window_holds_and_one_that_leaves_it(cycles, length):
    chain = [adds(0, 1)] + [adds(0, 0)] * (length - 1)
    expected = [200 * length * LATENCY / (window / length + 1) for window in WINDOWS]
    assert cycles(chain * 200) == pytest.approx(expected, rel=0.05)


def test_a_value_that_goes_through_memory_waits_for_its_store(cycles):
    loop = [load(0, 64), adds(0, 0), store(0, 64)]
    assert cycles(loop * 100) == [100 * (LOAD + LATENCY + 1)] * 4
    apart = [load(0, 64), adds(0, 0), store(0, 128)]
    assert cycles(apart * 100)[3] < 100 * LATENCY / 4


def test_counting_starts_again_when_it_is_asked(cycles):
    cycles([adds(0, 0), store(0, 64)] * 1000)
    assert cycles([load(0, 64), adds(1, 0)]) == [LOAD + LATENCY] * 4


def test_long_stretches_are_counted_to_the_end(cycles):
    assert cycles([adds(0, 0)] * 2_000_000) == [8_000_000] * 4
