"""The model of a core against closed forms."""

import dataclasses

import msgspec
import pytest

from blockfront.targets import Target, get_target
from blockfront.targets.hardware.target import SHARED
from blockfront.targets.latency.prediction.core_model import Coefficients, CoreModel, work_of
from blockfront.targets.latency.prediction.core_models import core_model, core_models, model_name
from blockfront.targets.latency.prediction.guides import GUIDES
from blockfront.targets.latency.profiler import Counts, Profile, Region

NOTHING = Coefficients(multiply_add=0, other=0, word=0, l1_line=0, memory_line_ns=0, transfer=0)
BOARD = get_target("rk3399")  # 1.8 GHz, 4.1 GB/s, a second level for all cores, no third


def serial(**counts: int) -> Profile:
    return Profile((Region((Counts(**counts),)),))


def milliseconds(profile: Profile, board: Target = BOARD, **coefficients: float) -> float:
    known = msgspec.structs.replace(NOTHING, **coefficients)
    return CoreModel("cortex-a72", known, "test").milliseconds(profile, board)


def test_a_multiply_add_takes_its_cycles() -> None:
    assert milliseconds(serial(multiply_add=1_800_000), multiply_add=2) == pytest.approx(2.0)


def test_products_of_twice_the_width_take_as_long_as_the_core_has_units_for_them() -> None:
    known, profile = (
        msgspec.structs.replace(NOTHING, multiply_add=1.0),
        serial(multiply_add=1_800_000, widening=1_800_000),
    )
    ms = {core: CoreModel(core, known, "test").milliseconds(profile, BOARD) for core in ("cortex-a72", "cortex-a76")}
    assert ms["cortex-a76"] == pytest.approx(2 * ms["cortex-a72"]) == pytest.approx(2.0)


def test_other_instructions_are_vectors_integers_and_branches() -> None:
    assert milliseconds(serial(vector=600_000, integer=600_000, branch=600_000), other=1) == pytest.approx(1.0)


def test_a_load_of_four_registers_is_four_words_and_a_scalar_is_one() -> None:
    assert milliseconds(serial(load=450_000, load_bytes=64 * 450_000), word=1) == pytest.approx(1.0)
    assert milliseconds(serial(load=1_800_000, load_bytes=4 * 1_800_000), word=1) == pytest.approx(1.0)


def test_a_core_that_pairs_takes_half_a_word_for_half_a_vector_and_nothing_for_branches() -> None:
    halves = serial(load=3_600_000, load_bytes=8 * 3_600_000, branch=10_000_000)
    assert milliseconds(halves, word=1, other=1, pairs=True) == pytest.approx(1.0)


def test_a_line_that_nobody_asked_for_costs_its_latency() -> None:
    lines = serial(l1_misses=1000, l2_misses=1000, l2_streamed=400)
    assert milliseconds(lines, memory_line_ns=100, transfer=1) == pytest.approx(600 * 100e-6 + 1000 * 64 / 4.1e9 * 1e3)


def test_a_region_takes_as_long_as_its_slowest_task_and_its_start() -> None:
    region = Region((Counts(multiply_add=1_800_000), Counts(multiply_add=900_000)))
    assert milliseconds(Profile((region,)), multiply_add=1) == pytest.approx(1.0 + BOARD.launch_us * 1e-3)


def test_two_cores_do_not_get_more_from_memory_than_it_has() -> None:
    task = Counts(l1_misses=100_000, l2_misses=100_000, l2_streamed=100_000, written_back=50_000)
    found = milliseconds(Profile((Region((task, task)),)), transfer=0.01)
    # What its memory takes from a memset of one core, less what cores lose to each other.
    assert found == pytest.approx(300_000 * 64 / (SHARED * 9.04e9) * 1e3 + BOARD.launch_us * 1e-3)


def test_four_cores_wait_for_the_second_level_that_they_share_and_not_for_their_own() -> None:
    task = Counts(multiply_add=1_800_000, l1_misses=450_000)
    alone, four = Profile((Region((task,)),)), Profile((Region((task,) * 4),))
    start = BOARD.launch_us * 1e-3
    # 64 bytes at 16 a cycle; the core itself takes 5 cycles a line and gets all it asks for.
    assert milliseconds(alone, multiply_add=1, l1_line=5) == pytest.approx(1 + 450_000 * 5 / 1.8e6)
    assert milliseconds(four, multiply_add=1, l1_line=5) == pytest.approx(1 + 4 * 450_000 * 4 / 1.8e6 + start)
    assert milliseconds(four, multiply_add=1, l1_line=20) == pytest.approx(1 + 450_000 * 20 / 1.8e6 + start)
    own = dataclasses.replace(BOARD, l2_shared=False)
    assert milliseconds(four, own, multiply_add=1, l1_line=5) == pytest.approx(1 + 450_000 * 5 / 1.8e6 + start)


def test_more_work_never_takes_less_time() -> None:
    prior = GUIDES["cortex-a72"].prior
    less = Counts(multiply_add=1000, vector=100, load=500, load_bytes=8000, l1_misses=50, l2_misses=5)
    for name in ("multiply_add", "vector", "load_bytes", "integer"):
        more = msgspec.structs.replace(less, **{name: 2 * getattr(less, name) + 9})
        before, after = (
            work_of(Profile((Region((one,)),)), BOARD, prior).milliseconds(prior.array()) for one in (less, more)
        )
        assert after >= before


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("core", GUIDES)
def test_every_core_has_a_model_with_a_provenance_and_no_negative_coefficient(core: str, int8: bool) -> None:
    model = core_models(int8=int8)[core]
    assert model.int8 == int8
    assert model.provenance
    assert (model.coefficients.array() >= 0).all()
    assert all(0 < error.median <= error.p90 for error in model.errors)


def test_a_core_shares_its_twins_model_and_an_unknown_one_has_none() -> None:
    assert model_name(get_target("jetson_orin_nano")) == "cortex-a76"
    assert core_model(get_target("odroid_xu4")) is None
