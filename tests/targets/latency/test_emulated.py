import dataclasses

import msgspec
import pytest

from blockfront.errors import UsageError
from blockfront.targets import METERS, Asked, Latency, RunOptions, choose, get_target
from blockfront.targets.latency.prediction import core_model
from blockfront.targets.latency.prediction.core_models import as_predicted
from blockfront.targets.latency.profiler import profile_kernels

pytestmark = pytest.mark.usefixtures("emulators")
METER = METERS["emulated"]


def options(target="rk3399", threads=2, **others):
    return RunOptions(target=get_target(target), threads=threads, **others)


def test_a_latency_is_the_sum_of_its_kernels_by_the_model_of_the_core(board_program):
    latency = METER.latency(board_program, options())
    profiles, model = profile_kernels(board_program, get_target("rk3399")), core_model(get_target("rk3399"))
    expected = sum(
        kernel.calls * model.milliseconds(profiles[kernel.symbol], as_predicted(get_target("rk3399")))
        for kernel in board_program.kernels
    )
    assert latency.median_ms == pytest.approx(expected)
    assert sum(kernel.ms for kernel in latency.kernels) == pytest.approx(expected)
    assert (latency.source, latency.predictor, latency.runner) == ("predicted", "emulated", "emulated")
    assert latency.ci95_ms is None


def test_the_known_error_of_the_model_stands_with_the_latency_and_says_what_it_is_of(board_program):
    prediction = METER.latency(board_program, options()).prediction
    error = core_model(get_target("rk3399")).error("rk3399", 2)
    assert (prediction.median_error, prediction.p90_error) == (error.median, error.p90)
    assert prediction.within_tenth == error.within_tenth
    assert error.domain in prediction.basis
    assert f"median error {error.median:.0%}" in str(prediction)


def test_int8_has_a_model_and_errors_of_its_own():
    target = get_target("rk3399")
    by_format = {form: METER.prediction(options(threads=1, precision=form)) for form in ("float32", "int8")}
    known = core_model(target, int8=True).error("rk3399", 1)
    assert (by_format["int8"].median_error, by_format["int8"].n) == (known.median, known.n)
    assert "networks in int8" in by_format["int8"].basis
    assert "int8" not in by_format["float32"].basis
    assert by_format["int8"].model != by_format["float32"].model


def test_errors_known_of_cores_with_float16_are_of_float16_too():
    target = get_target("rk3588")
    by_format = (
        METERS["emulated"].prediction(RunOptions(target, 1, precision=form)) for form in ("float32", "float16")
    )
    single, half = ((found.median_error, found.n) for found in by_format)
    assert single == half
    assert half[1] > 0


def test_a_latency_has_an_interval_that_is_no_measurements_and_says_why_it_is_wide(board_program):
    latency = METER.latency(board_program, options())
    low, high = latency.prediction.interval_ms
    assert low < latency.median_ms < high
    assert latency.ci95_ms is None
    assert "its code is not ncnn's" in latency.prediction.outside
    assert any(text.startswith("judged from") for text in latency.prediction.outside)
    assert msgspec.json.decode(msgspec.json.encode(latency), type=Latency) == latency


def test_every_kernel_says_what_all_its_calls_execute(board_program):
    kernels = METER.latency(board_program, options()).kernels
    profiles = profile_kernels(board_program, get_target("rk3399"))
    for kernel in board_program.kernels:
        (found,) = (one for one in kernels if one.name == kernel.name)
        assert found.counts == profiles[kernel.symbol].total * kernel.calls


def test_a_faster_clock_and_memory_give_a_shorter_time(board_program):
    rk3399 = get_target("rk3399")
    fast = dataclasses.replace(rk3399, clock_ghz=3.6, bandwidth_gbs=8.2)
    slow, quick = (METER.latency(board_program, RunOptions(target, 2)).median_ms for target in (rk3399, fast))
    assert slow / 2 < quick < slow


def test_the_same_core_with_more_clock_is_another_model(board_program):
    rk3399 = get_target("rk3399")
    faster = dataclasses.replace(rk3399, clock_ghz=2.0)
    first, second = (METER.prediction(RunOptions(target, 2)).model for target in (rk3399, faster))
    assert first != second == METER.prediction(RunOptions(faster, 1)).model


def test_auto_emulates_where_nothing_is_attached_and_says_how_good_that_is(monkeypatch):
    for name in ("TVM_TRACKER_HOST", "TVM_TRACKER_PORT"):
        monkeypatch.delenv(name, raising=False)
    means = choose(Asked(get_target("rk3399")))
    assert means.meter is METER
    line = means.notice
    assert "predicted from its code under emulation, not measured (median error" in line
    assert "--tracker" in line


def test_auto_falls_back_to_roofline_and_says_why(monkeypatch, tmp_path):
    unknown = dataclasses.replace(get_target("rk3399"), tvm_target={"kind": "llvm", "mtriple": "aarch64-linux-gnu"})
    means = choose(Asked(unknown))
    assert means.meter.name == "roofline"
    because = "because there is no model of the core of rk3399: bench calibrate --target rk3399 makes one"
    assert because in means.notice
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    means = choose(Asked(get_target("rk3399")))
    assert means.meter.name == "roofline"
    assert "because qemu-aarch64 is missing: install qemu-user" in means.notice


def test_what_cannot_be_emulated_is_refused_with_what_to_do_instead():
    unknown = dataclasses.replace(get_target("rk3399"), tvm_target={"kind": "llvm", "mtriple": "aarch64-linux-gnu"})
    with pytest.raises(UsageError, match=r"no model of the core .* --runner roofline needs none"):
        METER.check(RunOptions(unknown, 1))
    with pytest.raises(UsageError, match="only aarch64, riscv64, x86_64 can, not arm"):
        METER.check(options("odroid_xu4", 1))
