"""`bench calibrate`: what it refuses, and what it prints and keeps."""

import json

import pytest

from blockfront.targets import HARDWARE


@pytest.mark.emulates
def test_a_target_without_a_device_is_told_how_to_attach_one(bench):
    said = bench("calibrate", "--target", "rk3399")
    assert said.code == 2
    assert "attach a board with key rk3399" in said.errors
    assert "--tracker HOST:PORT" in said.errors


def test_a_graphics_processor_is_refused(bench):
    said = bench("calibrate", "--target", "rk3399_gpu", "--runner", "roofline")
    assert (said.code, "for processors" in said.errors) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--target", "rk3398"), "rk3399"),
        (("--target", "host", "--repeats", "0"), "--repeats must be 1 or more"),
        (("--target", "host", "--threads", "100000"), "cores; --threads must be"),
    ],
)
def test_wrong_options_end_in_one_line(bench, arguments, expected):
    said = bench("calibrate", *arguments)
    assert said.code == 2
    assert expected in said.errors
    assert said.errors.count("\n") == 1


def test_without_qemu_nothing_is_measured(bench, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    said = bench("calibrate", "--target", "host", "--runner", "local")
    assert said.code == 2
    assert "qemu" in said.errors
    assert not (tmp_path / "cache" / "calibration").exists()


@pytest.mark.emulates
@pytest.mark.skipif("host_avx2" not in HARDWARE, reason="a processor with AVX2 is needed")
def test_a_calibration_says_what_it_found_and_where_it_is(bench, tmp_path):
    path = tmp_path / "mine.json"
    said = bench("calibrate", "--target", "host_avx2", "--threads", "1", "--repeats", "1", "--output", str(path), "-q")
    assert said.code == 0, said.errors
    for part in ("calibrated on", "GB/s", "multiply_add", "tile 4 × 3, L1", "90th percentile", str(path)):
        assert part in said.output
    kept = json.loads(path.read_text())
    assert kept["target"] == "host_avx2"
    assert all(len(samples) == 1 for samples in kept["measured"]["kernels"].values())
