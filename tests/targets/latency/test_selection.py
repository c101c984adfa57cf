"""Which toolchain and which meter serve what somebody asks for."""

import dataclasses

import pytest

from blockfront.errors import UsageError
from blockfront.targets import HARDWARE, METERS, Asked, choose, find_hardware

TO_MEASURE = (
    "run bench board tracker here and bench board serve --key rk3399 on the board, and pass --tracker HOST:PORT"
)


@pytest.fixture(autouse=True)
def _no_tracker(monkeypatch):
    for name in ("TVM_TRACKER_HOST", "TVM_TRACKER_PORT"):
        monkeypatch.delenv(name, raising=False)


def asked(name="rk3399", **options):
    return Asked(find_hardware(name), **options)


def test_this_machine_is_measured_and_nothing_need_be_said():
    means = choose(asked("host"))
    assert (means.toolchain.name, means.meter.name, means.notice) == ("tvm", "local", None)
    assert means.measures is METERS["local"]
    assert means.prediction is None


@pytest.mark.emulates
def test_a_board_that_is_not_attached_is_predicted_and_the_line_says_how_to_measure_it():
    means = choose(asked())
    assert means.meter.source == "predicted"
    assert means.measures is None
    assert means.notice.startswith("No board attached: latencies for rk3399 are predicted ")
    assert means.notice.endswith(f" To measure, {TO_MEASURE}.")


def test_a_board_is_measured_where_a_tracker_is_named(free_port, monkeypatch):
    """None answers there: what is chosen is told by its complaint."""
    with pytest.raises(UsageError, match="no tracker answers at 127"):
        choose(asked(tracker=f"127.0.0.1:{free_port}"))
    monkeypatch.setenv("TVM_TRACKER_HOST", "127.0.0.1")
    monkeypatch.setenv("TVM_TRACKER_PORT", str(free_port))
    with pytest.raises(UsageError, match="no tracker answers at 127"):
        choose(asked())
    assert choose(asked(), runner="roofline").meter.name == "roofline"


def test_an_accelerator_is_simulated_and_the_line_says_by_what():
    means = choose(asked("edge_tpu_like"))
    assert (means.toolchain.name, means.meter.name) == ("zigzag", "simulated")
    expected = "Latencies for edge_tpu_like are simulated by ZigZag's model at 0.5 GHz in int8, not measured."
    assert means.notice == expected
    assert "ZigZag" in means.prediction.basis


def test_a_users_own_target_is_measured_here_if_it_says_that_it_is_here():
    mine = dataclasses.replace(HARDWARE["host"], name="mine")
    assert choose(Asked(mine)).meter.name == "local"
    elsewhere = dataclasses.replace(mine, local=False)
    with pytest.raises(UsageError, match="runner local does not serve mine; those that do: rpc, emulated, roofline"):
        choose(Asked(elsewhere), runner="local")


@pytest.mark.parametrize(
    ("name", "options", "toolchain", "runner", "words"),
    [
        ("rk3399", {}, "auto", "local", "runner local does not serve rk3399; those that do: rpc, emulated, roofline"),
        ("rk3399", {}, "auto", "simulated", "runner simulated does not serve rk3399; those that do: rpc, emul"),
        ("rk3399", {}, "auto", "rpc", "runner rpc needs a tracker: --tracker HOST:PORT"),
        ("rk3399", {}, "auto", "rooflin", "unknown runner 'rooflin'; did you mean roofline"),
        ("rk3399", {}, "zigzag", "auto", "toolchain zigzag does not prepare networks for rk3399; those that do: tvm"),
        ("rk3399", {}, "tvn", "auto", "unknown toolchain 'tvn'; did you mean tvm"),
        ("edge_tpu_like", {}, "auto", "roofline", "does not serve edge_tpu_like; those that do: simulated"),
        ("edge_tpu_like", {"tracker": "a:1"}, "auto", "auto", "has a use for --tracker; leave --tracker out"),
        ("host", {"tracker": "127.0.0.1:1"}, "auto", "local", "runner local has no use for --tracker; leave"),
        ("host", {"tracker": "127.0.0.1:1"}, "auto", "auto", "no tracker answers at 127.0.0.1:1"),
        ("edge_tpu_like", {"cooldown_s": 1.0}, "auto", "auto", "has a use for --cooldown; leave --cooldown out"),
        ("edge_tpu_like", {"threads": 2}, "auto", "auto", "leave --threads out"),
        ("rk3399", {"precision": "int4"}, "auto", "auto", "toolchain tvm prepares networks in float32, float16, int8,"),
        ("edge_tpu_like", {"precision": "int4"}, "auto", "auto", "toolchain zigzag prepares networks in float32, not"),
        ("rk3399", {"cooldown_s": -1.0}, "auto", "auto", "--cooldown must be 0 or more, not -1"),
        ("rk3399", {"threads": 3}, "auto", "auto", "has 2 cores; --threads must be 1 to 2"),
    ],
)
def test_what_does_not_fit_together_is_refused_with_what_does(name, options, toolchain, runner, words):
    with pytest.raises(UsageError, match=words):
        choose(asked(name, **options), toolchain, runner)
