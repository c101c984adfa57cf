"""`bench verify`: every network of a study on a board in software, and what it says of those that are not right."""

from __future__ import annotations

import dataclasses
import json
import signal
from pathlib import Path

import psutil
import pytest

import blockfront as suite
from blockfront.design_space.image_size import ImageSize
from blockfront.services.verify import NetworkToVerify, verify_network
from blockfront.targets import RunOptions, compile_model, get_target
from blockfront.targets.compiler.linking import Linked
from blockfront.targets.latency.emulation import Emulation
from tests.conftest import wait_until

pytestmark = pytest.mark.emulates

MODEL = """
from torch import nn

def tiny():
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), pool, nn.Linear(16, 10))

class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.large, self.small = nn.Conv2d(1, 8, 3), nn.Conv2d(1, 8, 3)

    def forward(self, image):
        return {"boxes": 1e4 * self.large(image), "levels": (None, self.small(image))}

def heads():
    return Heads()
"""
OWN = """
import os, signal
from torch import nn
from blockfront.blocks import register_block
from blockfront.design_space import DesignSpace, Stage, choice, integer

@register_block("of_ones_own")
class Block(nn.Sequential):
    def __init__(self, in_chs, out_chs, stride=1):
        super().__init__(nn.Conv2d(in_chs, out_chs, 3, stride, 1), nn.ReLU())

@register_block("crashing")
class Crashing(Block):
    def __init__(self, in_chs, out_chs, stride=1):
        super().__init__(in_chs, out_chs, stride)
        if "CRASH" in os.environ:
            os.kill(os.getpid(), signal.SIGSEGV)

space = DesignSpace("own", resolution=32, num_classes=10, family=choice("of_ones_own", "crashing"),
    stages=[Stage(depth=1, width=integer(8, 16, step=8), stride=2)])
"""
PATIENCE = 120


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.py"
    path.write_text(MODEL)
    return path


def on(emulated_board: str) -> RunOptions:
    return RunOptions(target=get_target("rk3399"), threads=2, tracker=emulated_board)


def emulators(emulation: Emulation) -> set[psutil.Process]:
    """The emulated boards that run now, of these tests alone: their cache folder is."""
    return {
        process
        for process in psutil.process_iter(["cmdline", "name"])
        if str(emulation.guest.root) in (process.info["cmdline"] or []) and process.info["name"] != "sh"
    }


def test_every_network_of_a_study_agrees_with_torch_on_an_emulated_board(bench, finished, emulated_board):
    call = ("verify", finished.study, "--target", "rk3399", "--tracker", emulated_board)
    said = bench(*call, "--storage", finished.commands.storage, "--json")
    assert said.code == 0, said
    document = json.loads(said.output)
    study = suite.load(finished.study, finished.commands.storage)
    assert (document["target"], document["threads"]) == ("rk3399", 2)
    assert [row["network_id"] for row in document["networks"]] == list(study["network_id"])
    assert [row["family"] for row in document["networks"]] == list(study["family"])
    for row in document["networks"]:
        assert (row["verdict"], row["error"], row["emulated"]) == ("agrees", None, True)
        assert 0 < row["max_rel_error"] <= 1e-4
    assert "verify: 3 of 3" in said.errors


@pytest.mark.long
def test_it_starts_a_board_of_its_own_and_ends_it(commands, emulation, finished):
    network = suite.load(finished.study, finished.commands.storage).iloc[0]
    before = emulators(emulation)
    said = commands.run("verify", str(network["network"]), "--target", "rk3399")
    assert said.returncode == 0, said.stderr
    assert f"emulating rk3399: {emulation.title}" in said.stderr
    header, row = said.stdout.splitlines()
    assert header.split() == ["network", "family", "relative", "error", "torch's", "own", "verdict"]
    assert row.split()[:2] == [network["network_id"], network["family"]]
    assert row.split()[-1] == "agrees"
    assert emulators(emulation) <= before


def test_ctrl_c_ends_it_with_its_boards(commands, emulation, model):
    before = emulators(emulation)
    with commands.start("verify", f"{model}:tiny", "--target", "rk3399") as process:
        wait_until(lambda: emulators(emulation) - before)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    # A shell sees 130 in both: Python ends by the signal itself when that came within an exec of some library.
    assert process.returncode in (130, -signal.SIGINT)
    assert psutil.wait_procs(emulators(emulation) - before, timeout=10)[1] == []


def test_a_library_that_computes_something_else_differs(emulated_board, model, monkeypatch):
    def corrupted(module, *arguments, **options):
        """The real library, with another bias of the last layer in it."""
        program = compile_model(module, *arguments, **options)
        bias = module[-1].bias.detach().numpy()
        assert program.library.content.count(bias.tobytes()) == 1
        return dataclasses.replace(
            program, library=Linked.of(program.library.content.replace(bias.tobytes(), (bias + 1).tobytes()))
        )

    monkeypatch.setattr("blockfront.targets.latency.toolchains.tvm.compile_model", corrupted)
    found = verify_network(NetworkToVerify(f"{model}:tiny", size=ImageSize(16, 16)), on(emulated_board))
    assert found["verdict"] == "differs"
    assert found["max_abs_error"] == pytest.approx(1, rel=1e-3)


def test_a_small_output_that_is_wrong_differs_though_a_large_one_agrees(emulated_board, bench, model, monkeypatch):
    call = ("verify", "model.py:heads", "--input", "1x8x12", "--target", "rk3399", "--tracker", emulated_board)
    said = bench(*call, "--json", "--quiet")
    (row,) = json.loads(said.output)["networks"]
    assert (said.code, row["verdict"], row["error"], row["emulated"]) == (0, "agrees", None, True)
    assert 0 < row["max_rel_error"] <= 1e-4

    def corrupted(module, *arguments, **options):
        """The real library, with another bias of the small output's layer in it."""
        program = compile_model(module, *arguments, **options)
        bias = module.small.bias.detach().numpy()
        assert program.library.content.count(bias.tobytes()) == 1
        return dataclasses.replace(
            program, library=Linked.of(program.library.content.replace(bias.tobytes(), (2 * bias).tobytes()))
        )

    monkeypatch.setattr("blockfront.targets.latency.toolchains.tvm.compile_model", corrupted)
    found = verify_network(NetworkToVerify(f"{model}:heads", size=ImageSize(8, 12, 1)), on(emulated_board))
    assert found["verdict"] == "differs"
    assert found["error"].startswith("output levels.1 on the device differs from torch: relative error ")


def test_a_latency_is_refused_where_outputs_are_compared(bench, model, emulated_board):
    call = ("profile", "model.py:tiny", "--resolution", "16", "--target", "rk3399", "--tracker", emulated_board)
    said = bench(*call, "--quiet")
    assert said.code == 1
    assert said.output == ""
    assert "is emulated" in said.errors
    assert "bench verify" in said.errors
    assert said.errors.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("tiny-rk339 --target rk3399", "did you mean tiny-rk3399"),
        ("tiny-rk3399 --target rk3398", "did you mean rk3399"),
        ("tiny-rk3399 --target rk3399 --resolution 64", "size is for a single model"),
        ("tiny-rk3399 --target rk3399 --space mobile", "file.py:space"),
        ("tiny-rk3399 --target odroid_xu4", "cannot be emulated"),
        ("tiny-rk3399 --target host", "host is this machine"),
        ("tiny-rk3399 --target rk3399 --threads 3", "has 2 cores"),
        ("tiny-rk3399", "--target"),
    ],
)
def test_a_wrong_call_is_one_line(bench, finished, arguments, expected):
    said = bench("verify", *arguments.split(), "--storage", finished.commands.storage)
    assert said.code == 2, said
    assert said.errors.count("\n") == 1
    assert expected in said.errors


@pytest.mark.long
def test_a_network_that_crashes_costs_itself_alone_and_the_exit_code(commands, emulated_board, monkeypatch):
    (commands.folder / "own.py").write_text(OWN)
    own = ("--space", "own.py:space")
    drawn = commands.run("sample", "--n", "2", "--no-train", "--target", "rk3399", "--runner", "roofline", *own)
    assert drawn.returncode == 0, drawn.stderr
    monkeypatch.setenv("CRASH", "1")
    said = commands.run("verify", "own-rk3399", "--target", "rk3399", "--tracker", emulated_board, *own, "--json")
    assert said.returncode == 1
    assert said.stderr.splitlines()[-1] == "error: 1 of 2 networks could not be verified for rk3399"
    rows = {row["family"]: row for row in json.loads(said.stdout)["networks"]}
    assert rows["of_ones_own"]["verdict"] == "agrees"
    assert (rows["crashing"]["verdict"], rows["crashing"]["max_rel_error"]) == ("failed", None)
    assert "the worker process died again and again" in rows["crashing"]["error"]
