"""Engines of others on boards: their process is there, what they give is compared with torch here."""

import dataclasses
import os
from importlib.metadata import version

import psutil
import pytest
import torch
from torch import nn

from blockfront.board.connection import connect
from blockfront.board.remote_engine import board_versions
from blockfront.board.sockets import parse_address
from blockfront.engines import ENGINES
from blockfront.errors import DeviceUnavailable, RunError, UsageError
from blockfront.signature import Signature
from blockfront.targets import METERS, TOOLCHAINS, Asked, choose, get_target

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
pytestmark = pytest.mark.processes

RPC, ENGINE = METERS["rpc"], TOOLCHAINS["onnxruntime"]


@pytest.fixture(scope="module")
def board(boards):
    return boards, boards.serve("engines", "a board with engines")


def asked(boards, **figures):
    return Asked(dataclasses.replace(get_target("host"), key="engines", **figures), 1, tracker=boards.address)


@pytest.fixture(scope="module")
def prepared(board):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 5)).eval()
    options = ENGINE.options_for(asked(board[0]))
    return ENGINE.prepare(module, Signature.image(16), options, 0)


def working(process):
    """What processes of engines a server's have."""
    return [one for one in process.children(recursive=True) if "blockfront.engines.process" in " ".join(one.cmdline())]


def test_a_network_is_measured_by_an_engine_on_a_board(board, prepared):
    means = choose(asked(board[0]), "onnxruntime", "rpc")
    latency = means.latency(prepared)
    assert (latency.source, latency.runner, latency.toolchain) == ("measured", "rpc", "onnxruntime")
    assert latency.device.startswith("a board with engines (127.0.0.1:")
    assert latency.versions["onnxruntime"] == version("onnxruntime")
    assert 0 < latency.max_rel_error < 1e-5
    assert len(latency.samples_ms) >= 10
    assert latency.kernels == ()


def test_its_process_is_the_boards_runs_on_the_targets_cores_and_ends_with_the_session(board, prepared):
    boards, server = board
    last = max(os.sched_getaffinity(0))
    options = ENGINE.options_for(asked(boards, cpus=(last,), cores=1))
    with RPC.session(options) as session:
        loaded = ENGINE.load(prepared, session, 1)
        (process,) = working(server)
        assert process.cpu_affinity() == [last]
        assert min(loaded.milliseconds(1, 3)) > 0
    psutil.wait_procs([process], timeout=20)
    assert not process.is_running()


def test_an_output_that_is_not_torchs_is_refused_from_there_too(board, prepared):
    (image,) = prepared.inputs
    other = dataclasses.replace(prepared, inputs=(image + 1,))
    with pytest.raises(RunError, match="output of onnxruntime differs from torch"):
        choose(asked(board[0]), "onnxruntime", "rpc").latency(other)


def test_what_an_engine_says_there_is_told_here(board, prepared):
    broken = dataclasses.replace(prepared, files={"model.onnx": b"nothing"})
    with pytest.raises(RunError, match=r"a board with engines .*: .*onnxruntime: "):
        choose(asked(board[0]), "onnxruntime", "rpc").latency(broken)


def test_a_board_without_the_engine_is_told_before_anything_is_sent(board):
    if "executorch" in ENGINES and _installed("executorch"):
        pytest.skip("it is installed here")
    connection = connect(parse_address(board[0].address), "engines", 20, 60)
    try:
        with pytest.raises(
            DeviceUnavailable, match="does not have executorch; on the board run: pip install executorch"
        ):
            board_versions(connection, "executorch")
    finally:
        connection.close()


def _installed(engine):
    try:
        ENGINES[engine].versions()
    except UsageError:
        return False
    return True
