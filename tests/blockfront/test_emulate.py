"""Wrong calls of `bench board emulate`; tests/targets/test_emulation.py has what it does."""

from __future__ import annotations

import socket

import pytest


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("visionfive2", "visionfive2 cannot be emulated: PyPI has TVM for Linux on x86-64 and aarch64, and none for"),
        ("rk3399_gpu", "not graphics"),
        ("rk3398", "did you mean rk3399"),
        ("rk3399 --devices 0", "--devices must be 1 or more, not 0"),
        ("rk3399 --tracker nowhere", "write HOST:PORT"),
        ("rk3399 --tracker 192.0.2.1:9190", "pass --host"),
    ],
)
def test_a_wrong_call_is_one_line(bench, arguments, expected):
    said = bench("board", "emulate", *arguments.split())
    assert said.code == 2, said
    assert said.output == ""
    assert said.errors.count("\n") == 1
    assert expected in said.errors


def test_a_tracker_that_is_not_there_is_told_at_once(bench):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        said = bench("board", "emulate", "rk3399", "--tracker", address)
    assert said.code == 2
    assert said.errors.startswith(f"error: no tracker answers at {address}")
    assert said.errors.count("\n") == 1
