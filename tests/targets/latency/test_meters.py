import dataclasses

import msgspec
import pytest

from blockfront.errors import DeviceUnavailable, RunError, UsageError
from blockfront.targets import METERS, Latency, RunOptions, get_target
from blockfront.targets.latency.meters.measure import together
from blockfront.targets.latency.meters.peak import through_memory


def options(target="host", threads=1, **others):
    return RunOptions(target=get_target(target), threads=threads, seconds=0.02, sample_ms=0.5, **others)


def test_roofline_is_the_larger_of_arithmetic_and_traffic_plus_a_launch(board_program):
    latency = METERS["roofline"].latency(board_program, options("rk3399", 2))
    rk3399 = get_target("rk3399")
    expected = sum(
        kernel.calls * (max(kernel.macs / 14.4e9, kernel.bytes / 4.1e9) * 1e3 + rk3399.launch_us / 1e3)
        for kernel in board_program.kernels
    )
    assert latency.median_ms == pytest.approx(expected)
    assert (latency.source, latency.predictor) == ("predicted", "roofline")
    assert latency.ci95_ms is None
    assert latency.samples_ms == ()


def test_one_core_is_never_predicted_faster_than_two(board_program):
    one, two = (METERS["roofline"].latency(board_program, options("rk3399", n)).median_ms for n in (1, 2))
    assert one >= two


def test_local_keeps_every_sample_and_its_median_lies_in_its_interval(host_program):
    latency = METERS["local"].latency(host_program, options())
    assert len(latency.samples_ms) >= 10
    low, high = latency.ci95_ms
    assert min(latency.samples_ms) <= low <= latency.median_ms <= high <= max(latency.samples_ms)
    assert latency.source == "measured"
    assert latency.conditions["threads read back"] == "1"


def test_kernel_shares_sum_to_one_and_the_slowest_comes_first(host_program):
    kernels = METERS["local"].latency(host_program, options()).kernels
    assert sum(kernel.share for kernel in kernels) == pytest.approx(1)
    assert [kernel.ms for kernel in kernels] == sorted((kernel.ms for kernel in kernels), reverse=True)
    assert all(kernel.ms > 0 for kernel in kernels)


def test_a_latency_survives_json(host_program):
    latency = METERS["local"].latency(host_program, options())
    assert msgspec.json.decode(msgspec.json.encode(latency), type=Latency) == latency


def test_a_program_whose_output_is_wrong_on_the_device_gets_no_latency(host_program):
    (output,) = host_program.outputs
    other = dataclasses.replace(output, expected=(output.array + 1).tobytes())
    wrong = dataclasses.replace(host_program, outputs=(other,))
    with pytest.raises(RunError, match="output on the device differs from torch"):
        METERS["local"].visit(wrong, options())


def test_a_tracker_that_does_not_answer_is_named_with_the_command_that_starts_one(free_port):
    with pytest.raises(UsageError, match=r"no tracker answers at 127\.0\.0\.1:\d+ .*bench board tracker"):
        METERS["rpc"].check(options("rk3399", 2, tracker=f"127.0.0.1:{free_port}"))


def test_a_tracker_address_without_a_port_is_refused():
    with pytest.raises(UsageError, match="write HOST:PORT"):
        METERS["rpc"].check(options("rk3399", 2, tracker="localhost"))


def test_rpc_measures_where_tvm_s_own_server_runs(tracker, host_program):
    chosen = options(tracker=tracker)
    board = METERS["rpc"]
    assert board.devices(chosen) == 1
    visits = board.visit(host_program, chosen), board.visit(host_program, chosen)
    latency = board.finish(host_program, chosen, visits)
    assert latency.source == "measured"
    assert latency.verified_on == "device"
    assert latency.samples_ms == visits[0].samples_ms + visits[1].samples_ms
    assert latency.peak.source == "measured"
    assert latency.max_rel_error <= 1e-4
    assert latency.conditions["threads read back"] == "1"
    with pytest.raises(UsageError, match="has no device with key rk3399"):
        board.check(options("rk3399", 2, tracker=tracker))
    with (
        board.session(chosen) as session,
        pytest.raises(DeviceUnavailable, match="serves no engines; install this version of bench there"),
    ):
        session.start_engine("onnxruntime", {})


def test_what_visits_say_alike_is_said_once():
    first, second = {"governor before": "performance", "°C": "40"}, {"governor before": "performance", "°C": "45"}
    assert together([first, second]) == {"governor before": "performance", "°C": "40; 45"}


def test_a_device_with_little_memory_is_streamed_through_a_quarter_of_it():
    update = through_memory(get_target("rk3399").machine(2), memory_bytes=400 * 2**20)
    assert update.bytes / 2 == pytest.approx(100 * 2**20, rel=1e-3)
