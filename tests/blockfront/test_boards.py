"""Sweeps over boards, and `bench board`, with a real tracker and real servers of this machine."""

from __future__ import annotations

import io
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
import tomllib
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

import blockfront as suite
from blockfront.board.sockets import format_address, listen
from blockfront.console.progress import Lines, Silent
from blockfront.errors import RunError
from blockfront.study.lookup import find_network
from blockfront.sweep.plan import SweepPlan, resolve
from blockfront.sweep.request import Request
from blockfront.sweep.run import run_sweep
from blockfront.targets.latency.rounds import VISITS
from tests.conftest import LIGHT, end

TARGET = """
from dataclasses import replace

from blockfront.targets import get_target

mine = replace(get_target("host"), name="mine", cores=1)
"""


@pytest.fixture
def mine(commands, own_boards):
    """The options that ask for boards with key `mine`."""
    (commands.folder / "board.py").write_text(TARGET)
    return ("--target", "board.py:mine", "--runner", "rpc", "--tracker", own_boards.address)


@pytest.fixture
def plan(commands, own_boards):
    """A sweep over the boards with key `mine`, which must be attached when it is made, with other run options."""
    (commands.folder / "board.py").write_text(TARGET)

    def make(n: int, **others) -> SweepPlan:
        request = Request(
            n=n,
            target=f"{commands.folder}/board.py:mine",
            space=f"{commands.folder}/tiny.py:space",
            train=False,
            runner="rpc",
            tracker=own_boards.address,
            workers=1,
            storage=commands.storage,
        )
        made = resolve(request)
        return replace(made, means=replace(made.means, options=replace(made.means.options, **others)))

    return make


class Watch:
    """The least number of free boards of key `mine` that was ever seen, and what happens at the first busy one."""

    def __init__(self, boards, then=lambda: None):
        self.least = 99
        self._ended = threading.Event()
        self._boards, self._then = boards, then
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _look(self):
        happened = False
        while not self._ended.wait(0.02):
            try:
                summary = self._boards.summary()
            except OSError:
                continue
            if summary.count("mine"):
                self.least = min(self.least, summary.free["mine"])
            if self.least < 99 and summary.free.get("mine", 0) < summary.count("mine") and not happened:
                happened = True
                self._then()


def visits_of(commands, frame) -> list[list[dict]]:
    return [find_network(network_id, commands.storage)[0]["visits"] for network_id in frame["network_id"]]


@pytest.mark.long
def test_a_sweep_uses_all_boards_of_a_key_at_the_same_time(commands, own_boards, mine):
    for name in ("first", "second"):
        own_boards.serve("mine", name)
    call = ("sample", "--n", "4", "--space", "tiny.py:space", "--no-train", "--workers", "1", *mine)
    with Watch(own_boards) as watch:
        said = commands.run(*call)
    assert said.returncode == 0, said.stderr
    assert "latency ms (measured, rpc)" in said.stdout
    assert watch.least == 0
    frame = suite.load("tiny-mine", commands.storage)
    assert list(frame["state"]) == ["complete"] * 4
    visits = visits_of(commands, frame)
    assert [len(of_one) for of_one in visits] == [VISITS] * 4
    used = {visit["device"].partition(" (")[0] for of_one in visits for visit in of_one}
    assert used == {"first", "second"}
    for of_one, device in zip(visits, frame["device"], strict=True):
        assert device == ", ".join(sorted({visit["device"] for visit in of_one}))


def test_a_board_that_goes_away_costs_no_network_while_another_is_there(commands, own_boards, plan):
    leaving = own_boards.serve("mine", "leaving")
    own_boards.serve("mine", "staying")
    with Watch(own_boards, lambda: end(leaving)):
        run_sweep(plan(3), Silent())
    frame = suite.load("tiny-mine", commands.storage)
    assert list(frame["state"]) == ["complete"] * 3
    assert frame["device"].str.contains("staying").all()


@pytest.mark.long
def test_without_a_tracker_a_sweep_stops_and_the_same_command_goes_on(commands, own_boards, plan):
    own_boards.serve("mine", "only")
    impatient = plan(2, wait_s=2.0)
    expected = pytest.raises(RunError, match=r"no tracker answers at .* run the same command again to go on")
    with Watch(own_boards, lambda: end(own_boards.process)), expected:
        run_sweep(impatient, Silent())
    assert set(suite.load("tiny-mine", commands.storage)["state"]) == {"running"}

    own_boards.start()
    own_boards.wait_for(1, "mine")
    run_sweep(plan(2), Silent())
    assert list(suite.load("tiny-mine", commands.storage)["state"]) == ["complete"] * 2


def test_a_network_that_is_too_slow_for_the_board_fails_with_its_reason(commands, own_boards, plan):
    own_boards.serve("mine", "slow")
    run_sweep(plan(1, timeout_s=0.5, seconds=60.0), Silent())
    (row,) = suite.load("tiny-mine", commands.storage).to_dict("records")
    assert row["state"] == "failed"
    assert "did not finish within 0.5 s" in row["error"]
    own_boards.wait_for(1, "mine", seconds=5)


def test_a_network_under_which_the_board_breaks_every_time_fails_after_three_tries(commands, own_boards, plan):
    crash = "import os\nfrom blockfront.board import offers\noffers.configure = lambda cpus, threads: os._exit(9)\n"
    board = own_boards.serve("mine", "fragile", before=crash)
    said = io.StringIO()
    run_sweep(plan(1), Lines(said))
    assert said.getvalue().count("in the middle of a session; another try on the next device that is free\n") == 2
    (row,) = suite.load("tiny-mine", commands.storage).to_dict("records")
    assert row["state"] == "failed"
    assert row["error"].startswith("profile: device fragile (127.0.0.1:")
    assert row["error"].endswith("went away in the middle of a session, 3 times")
    assert own_boards.log(board).count("broke off (exit code 9)") == 3


@pytest.mark.long
def test_a_model_is_profiled_on_a_board(commands, own_boards, mine):
    own_boards.serve("mine", "only")
    said = commands.run("profile", "torchvision:squeezenet1_1", "--resolution", "32", *mine, "--cooldown", "0.1")
    assert said.returncode == 0, said.stderr
    assert "ms (measured, rpc), 95 % interval" in said.stdout
    assert "samples on only (127.0.0.1:" in said.stdout
    wrong = commands.run("profile", "torchvision:squeezenet1_1", *mine, "--cooldown", "-1")
    assert (wrong.returncode, wrong.stderr) == (2, "error: --cooldown must be 0 or more, not -1\n")


def test_the_boards_of_a_tracker_are_listed_as_they_are(bench, boards):
    boards.serve("here", "first")
    boards.serve("here", "second")
    boards.serve("there", "emulated", "--emulated")
    said = bench("board", "list", "--tracker", boards.address, "--json")
    assert said.code == 0, said.errors
    first, second, third = json.loads(said.output)
    assert {first["board"]["name"], second["board"]["name"]} == {"first", "second"}
    assert (third["key"], third["board"]["name"], third["board"]["emulated"]) == ("there", "emulated", True)
    for one in (first, second, third):
        assert one["state"] == "free"
        assert one["board"]["machine"] == platform.machine()
        assert one["board"]["tvm"] == version("apache-tvm")
        assert len(one["board"]["cores"]) == os.cpu_count()
    printed = bench("board", "list", "--tracker", boards.address).output
    assert printed.count("free") == 3
    assert f"{os.cpu_count()} × " in printed
    assert "emulated, emulated" in printed


def test_a_busy_board_and_a_silent_one_are_told_apart(bench, boards, monkeypatch):
    from blockfront.board import connection
    from blockfront.board.sockets import parse_address

    monkeypatch.setattr(connection, "_CONNECT_S", 1.0)
    boards.serve("busy", "busy")
    silent = boards.serve("silent", "silent")
    silent.suspend()
    held = connection.connect(parse_address(boards.address), "busy", 5, 30)
    try:
        found = json.loads(bench("board", "list", "--tracker", boards.address, "--json").output)
    finally:
        held.close()
        silent.resume()
    states = {one["key"]: (one["state"], one["board"]) for one in found}
    assert states["busy"] == ("busy", None)
    assert states["silent"] == ("silent", None)


def test_a_tracker_that_is_not_there_is_told_in_one_line(bench, monkeypatch):
    with listen("127.0.0.1", range(1)) as unused:
        address = format_address(unused.getsockname())
    said = bench("board", "list", "--tracker", address)
    assert (said.code, said.errors.count("\n")) == (2, 1)
    assert f"no tracker answers at {address}" in said.errors
    monkeypatch.delenv("TVM_TRACKER_HOST", raising=False)
    assert "--tracker HOST:PORT" in bench("board", "list").errors


def test_the_commands_serve_until_they_are_stopped(bench, commands):
    with listen("127.0.0.1", range(1)) as free:
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    with (
        commands.start("board", "tracker", "--port", str(port)) as tracker,
        commands.start("board", "serve", "--tracker", address, "--key", "mine", "--name", "this") as board,
    ):
        try:
            assert "this serves as mine at 127.0.0.1:" in board.stderr.readline()
            printed = ""
            while "this" not in printed:
                time.sleep(0.1)
                printed = bench("board", "list", "--tracker", address).output
            assert printed.splitlines()[1].split()[:4:2] == ["mine", "free"]
            taken = bench("board", "tracker", "--port", str(port))
            assert taken.code == 2
            assert f"cannot listen on port {port} of 127.0.0.1: Address already in use" in taken.errors
        finally:
            for process in (tracker, board):
                process.send_signal(signal.SIGINT)
        assert [process.wait(timeout=30) for process in (tracker, board)] == [0, 0]
        assert "Traceback" not in tracker.stderr.read() + board.stderr.read()


@pytest.mark.processes
def test_a_board_needs_no_more_than_python_and_tvm(tmp_path):
    code = f"{LIGHT}\nfrom blockfront.board.server import main\nimport blockfront.board.tracker\nmain(['--help'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--tracker HOST:PORT" in done.stdout


def test_the_documentation_installs_the_tvm_that_is_needed():
    root = Path(__file__).parents[2]
    needed = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    told = (root / "docs" / "boards.md").read_text()
    for requirement in needed:
        if requirement.startswith("apache-tvm"):
            assert f"'{requirement}'" in told
