"""Multiply-adds a cycle by their closed form, and once really, whatever that says on a busy machine."""

from __future__ import annotations

import pytest

from blockfront.targets.hardware import multiply_adds as measuring
from blockfront.targets.hardware.catalogue import host
from blockfront.targets.hardware.multiply_adds import CHAIN, Throughput, multiply_adds, nearest, ratio_of

ASKED = ("x86_64-pc-linux-gnu", "rocketlake")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(host, "_triple_and_cpu", lambda: ASKED)
    monkeypatch.setattr(host, "_is_x86", lambda: True)
    return tmp_path / "cache"


def _says(monkeypatch, *times):
    """Times of the loops for each measurement in turn; gives those that are left."""
    left = list(times)
    monkeypatch.setattr(measuring, "time_loops", lambda *_asked: left.pop(0))
    return left


def _times(units: float, gigahertz: float = 2.0, noise: float = 1.0) -> tuple[float, float]:
    """Of a core with so many units: the loop alone is bound by them, the other by the chain."""
    multiply_adds = 112_000
    return multiply_adds / units / gigahertz / 1e9 * noise, CHAIN * multiply_adds / gigahertz / 1e9


@pytest.mark.parametrize("gigahertz", [0.8, 2.0, 5.7])
@pytest.mark.parametrize("units", [0.5, 1, 2, 4])
def test_the_ratio_is_the_number_of_units_whatever_the_clock(units, gigahertz):
    assert ratio_of(*_times(units, gigahertz)) == pytest.approx(units)


@pytest.mark.parametrize(
    ("ratio", "bits", "found"),
    [
        *[(1.0, 512, 1), (0.9, 512, 1), (1.15, 512, 1), (1.9, 512, 2), (1.4, 512, None), (4.0, 512, None)],
        *[(0.5, 512, None), (1.95, 256, 2), (1.0, 256, 1), (3.8, 128, 4), (0.5, 128, 0.5), (2.8, 128, None)],
        *[(0.0, 256, None), (float("inf"), 256, None), (float("nan"), 256, None)],
    ],
)
def test_a_ratio_stands_for_what_cores_have_or_for_nothing(ratio, bits, found):
    assert nearest(ratio, bits) == found


@pytest.mark.parametrize("units", [1, 2])
def test_a_xeon_called_rocket_lake_has_the_units_that_it_is_measured_to_have(units, monkeypatch):
    _says(monkeypatch, _times(units, noise=1.05))
    here = host.host()
    assert (here.simd_bits, here.fma_per_cycle, here.source_of("fma_per_cycle")) == (512, units, "measured")
    assert here.machine(1).fma_per_cycle == here.loads_per_cycle == units


@pytest.mark.parametrize(("noise", "said"), [(1.45, "1.38"), (float("inf"), "0.00")])
def test_what_is_ambiguous_goes_by_name_and_says_so(noise, said, monkeypatch):
    _says(monkeypatch, _times(2, noise=noise))
    here = host.host()
    source = f"by name of the processor: the measurement said {said}; unverified"
    assert (here.fma_per_cycle, here.source_of("fma_per_cycle")) == (1, source)


def test_what_fails_goes_by_name_and_says_so(monkeypatch):
    _says(monkeypatch)
    assert "the measurement said nothing" in host.host().source_of("fma_per_cycle")


@pytest.mark.parametrize("first", [_times(2), _times(2, noise=1.45)], ids=["clear", "ambiguous"])
def test_a_machine_is_measured_once(first, monkeypatch):
    """What it is scheduled for must not change from one command to the next, busy as it may be."""
    left = _says(monkeypatch, first, _times(1))
    assert multiply_adds(*ASKED, 512, 32) == multiply_adds(*ASKED, 512, 32)
    assert len(left) == 1
    assert host.host().machine(1) == host.host().machine(1)


@pytest.mark.parametrize("other", [("x86_64-pc-linux-gnu", "znver5", 512), (*ASKED, 256)], ids=["processor", "vectors"])
def test_another_processor_or_width_is_measured_by_itself(other, monkeypatch):
    _says(monkeypatch, _times(2), _times(1))
    assert multiply_adds(*ASKED, 512, 32).a_cycle == 2
    assert multiply_adds(*other, 32).a_cycle == 1


def test_what_cannot_be_kept_is_not_used(cache, monkeypatch):
    cache.write_text("a file where the folder should be")
    _says(monkeypatch, _times(2))
    assert multiply_adds(*ASKED, 512, 32) is None
    cache_full = "by name of the processor: a measurement cannot be kept in the cache folder; unverified"
    assert host.host().source_of("fma_per_cycle") == cache_full


def test_a_damaged_record_is_measured_again(cache, monkeypatch):
    _says(monkeypatch, _times(2), _times(2))
    first = multiply_adds(*ASKED, 512, 32)
    (file,) = (cache / "processors").iterdir()
    file.write_text("{")
    assert multiply_adds(*ASKED, 512, 32) == first


def test_this_machine_runs_both_loops(monkeypatch):
    monkeypatch.undo()
    triple, cpu = host._triple_and_cpu()
    bits, registers = host._vectors(triple, cpu)
    if host._is_x86() and not host._has("fma", triple, cpu):
        pytest.skip("this processor has no multiply-adds")
    alone, beside = measuring.time_loops(triple, cpu, bits // 32, registers)
    assert 0 < alone < float("inf")
    assert 0 < beside < float("inf")
    assert isinstance(multiply_adds(triple, cpu, bits, registers), Throughput)
