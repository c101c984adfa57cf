"""Coefficients of a core from micro-kernels: found again in times that a model made, and kept by device."""

import os
from dataclasses import replace

import msgspec
import numpy as np
import pytest
import tvm

from blockfront.errors import UsageError
from blockfront.targets import HARDWARE, METERS, RunOptions, get_target
from blockfront.targets.compiler.linking import load_library
from blockfront.targets.latency.calibration import Measured, calibration_path, load_calibration, save_calibration
from blockfront.targets.latency.calibration.calibration import (
    build_micro_kernels,
    calibrate_core,
    fit_profiles,
    measure,
)
from blockfront.targets.latency.calibration.microkernels import array_sizes, micro_kernels
from blockfront.targets.latency.calibration.timing import build_program
from blockfront.targets.latency.prediction.core_model import Coefficients, work_of
from blockfront.targets.latency.profiler import Counts, Profile, Region, emulator_obstacle, profile_kernels

TRUE = Coefficients(
    multiply_add=1.3,
    other=0.7,
    word=0.9,
    l1_line=7.0,
    memory_line_ns=40.0,
    transfer=1.2,
    dataflow=1.0,
    division=8.0,
    overlap=2.0,
)
needs_avx2 = pytest.mark.skipif("host_avx2" not in HARDWARE, reason="a processor with AVX2 is needed")


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """Calibrations of this test alone."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


def measured(kernels, **figures):
    known = {"device": "my board", "threads": 1, "date": "2026-01-01", "conditions": {}, "start_ms": ()}
    return Measured(kernels=kernels, copy_ms=(10.0, 11.0, 9.0), copied_bytes=36_000_000, **{**known, **figures})


def work(seed):
    """A profile in which every unit of the model matters, each kernel's another."""
    rng = np.random.default_rng(seed)
    fma, vector, load, store, chain, l1, l2, written, divisions = (
        int(1e5 * amount) for amount in rng.lognormal(0, 1.5, 9)
    )
    counts = Counts(
        multiply_add=fma,
        vector=vector + 10 * divisions,
        divisions=divisions,
        load=load,
        load_bytes=16 * load,
        store=store,
        store_bytes=16 * store,
        l1_misses=l1 // 4 + l2 // 40,
        l2_misses=l2 // 40,
        l2_streamed=int(rng.random() * (l2 // 40)),
        written_back=written // 100,
        dataflow_64=chain,
    )
    return Profile((Region((counts,)),))


def synthetic(target):
    """Profiles of many kernels, and the times that the true coefficients give them."""
    profiles = {f"kind {i % 4}, {i}": work(i) for i in range(40)}
    board = replace(target, bandwidth_gbs=4.0)
    ms = {name: work_of(profile, board, TRUE).milliseconds(TRUE.array()) for name, profile in profiles.items()}
    return profiles, ms


def test_a_fit_finds_the_coefficients_that_made_the_times():
    target = get_target("rk3399")
    profiles, ms = synthetic(target)
    found = fit_profiles(target, measured({name: (value,) * 3 for name, value in ms.items()}), profiles)
    fitted = found.model.coefficients
    assert fitted.overlap == TRUE.overlap
    assert fitted.array() == pytest.approx(TRUE.array(), rel=0.1)
    assert [one.ratio for one in found.residuals] == pytest.approx([1.0] * len(ms), abs=0.03)
    assert found.model.errors[0].median < 0.05
    assert found.model.provenance == "calibrated on my board, 2026-01-01"


def test_a_calibration_measured_float32_and_says_nothing_of_int8():
    target = get_target("rk3399")
    profiles, ms = synthetic(target)
    found = fit_profiles(target, measured({name: (value,) * 3 for name, value in ms.items()}), profiles)
    known, unknown = (
        METERS["emulated"].prediction(RunOptions(target, 1, precision=form, calibration=found))
        for form in ("float32", "int8")
    )
    assert known.n > 0
    assert (unknown.median_error, unknown.n) == (None, 0)
    assert str(unknown).endswith("judged in float32 alone")


def test_one_slow_round_of_three_changes_nothing():
    target = get_target("rk3399")
    profiles, ms = synthetic(target)
    quiet = fit_profiles(target, measured({name: (value,) * 3 for name, value in ms.items()}), profiles)
    noisy = fit_profiles(target, measured({name: (value, 9 * value, value) for name, value in ms.items()}), profiles)
    assert noisy.model == quiet.model


def test_a_calibrated_board_has_the_figures_that_were_measured():
    target = get_target("rk3399")
    profiles, ms = synthetic(target)
    times = {name: (value,) for name, value in ms.items()}
    board = fit_profiles(target, measured(times), profiles).apply(target)
    # 36 MB in 9 ms, and one thread that starts no other
    assert (board.bandwidth_gbs, board.launch_us) == (pytest.approx(4.0), target.launch_us)
    both = fit_profiles(target, measured(times, threads=2, start_ms=(0.02, 0.03, 0.01)), profiles)
    assert both.apply(target).launch_us == pytest.approx(10.0)


def test_the_newest_calibration_of_a_target_counts(own_cache):
    target = get_target("rk3399")
    profiles, ms = synthetic(target)
    times = {name: (value,) for name, value in ms.items()}
    assert load_calibration(target) is None
    for age, device in ((100, "old one"), (50, "new one"), (200, "oldest")):
        path = save_calibration(fit_profiles(target, measured(times, device=device), profiles))
        assert path == calibration_path("rk3399", device)
        os.utime(path, (1e9 - age, 1e9 - age))
    calibration_path("rk3399", "damaged").write_text("{")
    assert load_calibration(target).measured.device == "new one"
    assert load_calibration(get_target("rpi4")) is None


def test_a_file_that_is_no_calibration_of_the_target_is_refused(tmp_path):
    target = get_target("rk3399")
    profiles, ms = synthetic(target)
    path = tmp_path / "mine.json"
    with pytest.raises(UsageError, match="cannot be read"):
        load_calibration(target, path)
    path.write_text("[]")
    with pytest.raises(UsageError, match="bench calibrate"):
        load_calibration(target, path)
    save_calibration(fit_profiles(target, measured({name: (value,) for name, value in ms.items()}), profiles), path)
    assert load_calibration(target, path).target == "rk3399"
    with pytest.raises(UsageError, match="of rk3399, not of rpi4"):
        load_calibration(get_target("rpi4"), path)


def test_arrays_fit_the_caches_they_are_named_for():
    target = replace(get_target("rk3399"), l1_bytes=2**15, l2_bytes=2**20, l3_bytes=0)
    sizes = array_sizes(target)
    assert list(sizes) == ["L1", "L2", "memory"]
    assert sizes["L1"] <= 2**15 < sizes["L2"] <= 2**20 < sizes["memory"] / 16
    with_third = array_sizes(replace(target, l3_bytes=2**25))
    assert 2**20 < with_third["L3"] < 2**25 < with_third["memory"] / 2


@pytest.mark.compiles
@pytest.mark.parametrize(
    ("name", "expected"), [("tile 4 × 3, L1", "product"), ("sum, L2", "sums"), ("window, L1", "window")]
)
@needs_avx2
def test_a_micro_kernel_computes_what_its_name_says(name, expected):
    target = replace(HARDWARE["host_avx2"], l1_bytes=2**12, l2_bytes=2**14, l3_bytes=0)
    kernel = next(kernel for kernel in micro_kernels(target) if kernel.name == name)
    program = build_program([kernel], target, 1)
    library = load_library(program.kernel_library)
    rng = np.random.default_rng(0)
    tensors = [tvm.runtime.tensor(rng.random(shape, "float32")) for shape in kernel.shapes]
    library["micro_0"](*tensors)
    *inputs, out = (tensor.numpy().astype("float64") for tensor in tensors)
    rounds = 4 * 2**20 // array_sizes(target)[name.split(", ")[1]]
    if expected == "product":
        a, b = inputs
        assert out == pytest.approx(rounds * np.einsum("kr,kcl->rcl", a, b), rel=1e-3)
    elif expected == "sums":
        (values,) = inputs
        assert out == pytest.approx(rounds * values.reshape(-1, *out.shape).sum(axis=0), rel=1e-3)
    else:
        weights, values = inputs
        count = len(values) - len(weights)
        windows = sum(weights[i] * values[i : count + i] for i in range(len(weights)))
        assert out[:count] == pytest.approx(windows, rel=1e-4)


@pytest.mark.emulates
@needs_avx2
def test_profiles_of_micro_kernels_count_what_they_are_made_of():
    target = HARDWARE["host_avx2"]
    if emulator_obstacle(target):
        pytest.skip("QEMU is needed")
    wanted = ("multiply-adds", "tile 2 × 2, L1", "tile 4 × 3, L1", "sum, L1", "sum, L2", "fill, L1")
    wanted += ("polynomial 64, L1", "quotient, L1")
    program = build_program([kernel for kernel in micro_kernels(target) if kernel.name in wanted], target, 1)
    found = profile_kernels(program, target)
    counts = {kernel.name: found[kernel.symbol].total for kernel in program.kernels}
    # 20000 steps of 12 vectors; and 4 MiB in vectors of 32 bytes
    assert counts["multiply-adds"].multiply_add == 240_000
    # As many sums as a tile has vectors take turns, four cycles each.
    for rows, columns in ((2, 2), (4, 3)):
        one = counts[f"tile {rows} × {columns}, L1"]
        assert one.dataflow_256 == pytest.approx(4 * one.multiply_add / (rows * columns), rel=0.01)
    # Of 66 instructions after each other a window of 64 sees one vector at a time, of 256 nearly four.
    assert counts["polynomial 64, L1"].dataflow_64 > 2 * counts["polynomial 64, L1"].dataflow_256
    assert counts["quotient, L1"].divisions == pytest.approx(4 * 2**20 / 64, rel=0.01)
    for name in ("sum, L1", "sum, L2"):
        assert counts[name].load_bytes == pytest.approx(4 * 2**20, rel=0.01)
    assert counts["sum, L1"].l1_misses < 1000
    assert counts["sum, L2"].l1_misses == pytest.approx(4 * 2**20 / 64, rel=0.05)
    assert counts["fill, L1"].store_bytes == pytest.approx(4 * 2**20, rel=0.01)


@pytest.mark.emulates
@needs_avx2
def test_this_machine_is_calibrated_from_end_to_end():
    target = replace(HARDWARE["host_avx2"], l3_bytes=0, l2_bytes=2**17, cores=1)
    if emulator_obstacle(target):
        pytest.skip("QEMU is needed")
    program, steps = build_micro_kernels(target), []
    times = measure(program, target, METERS["local"], RunOptions(target, 1), 2, lambda: steps.append(1))
    assert set(times.kernels) == {kernel.name for kernel in micro_kernels(target)}
    assert all(len(samples) == 2 and min(samples) > 0 for samples in times.kernels.values())
    assert len(steps) == 2 * (len(times.kernels) + 2)
    found = calibrate_core(target, program, times)
    assert min(found.model.coefficients.multiply_add, found.model.coefficients.word) > 0
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found
