"""The rpc runner on real servers of this machine, and what it does about every fault."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version

import numpy as np
import psutil
import pytest
import tvm
from torch import nn

from blockfront.board import connection
from blockfront.errors import DeviceLost, DeviceTimeout, DeviceUnavailable, RunError, UsageError
from blockfront.signature import Input, Signature
from blockfront.targets import METERS, RunOptions, compile_model, get_target
from blockfront.targets.compiler.linking import link_kernels
from blockfront.targets.latency.meters.measure import run_program
from blockfront.targets.latency.meters.peak import Update, compile_update

RPC = METERS["rpc"]
CLIENT = """
import sys
from blockfront.board.connection import connect
from blockfront.board.sockets import parse_address
session = connect(parse_address(sys.argv[1]), sys.argv[2], 20, 60)
print("in", flush=True)
session.remote.get_function("test.sleep")(2)
"""


@pytest.fixture(scope="module")
def one(boards):
    """The board of the tests that leave it as it was."""
    boards.serve("one", "board one")
    return boards


def asking(boards, key="one", **others):
    target = dataclasses.replace(get_target("host"), key=key, **others.pop("figures", {}))
    timings = {"seconds": 0.02, "sample_ms": 0.5, "wait_s": 20.0}
    return RunOptions(target=target, threads=1, tracker=boards.address, **timings | others)


def in_session(options, act=lambda session: None):
    """What `act` gives for a session."""
    with RPC.session(options) as session:
        return act(session)


def sleep(session, seconds=0):
    """A call that lasts on the device."""
    return session.device._rpc_sess.get_function("test.sleep")(seconds)


def test_a_visit_says_where_and_in_which_state_it_was(one, host_program):
    visit = RPC.visit(host_program, asking(one))
    assert visit.device.startswith("board one (127.0.0.1:")
    assert len(visit.samples_ms) >= 10
    assert visit.conditions["threads read back"] == "1"
    assert visit.conditions["apache-tvm"] == version("apache-tvm")
    governor = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    assert ("governor before" in visit.conditions) == os.path.exists(governor)


def test_a_latency_names_the_device_of_each_visit(one, host_program):
    visits = tuple(RPC.visit(host_program, asking(one)) for _ in range(2))
    latency = RPC.finish(host_program, asking(one), visits)
    assert latency.visits == visits
    assert latency.samples_ms == visits[0].samples_ms + visits[1].samples_ms
    assert latency.device == visits[0].device
    assert latency.conditions["cores"] == visits[0].conditions["cores"]


def test_kernels_run_on_the_cores_that_a_target_names(one, host_program):
    last = max(os.sched_getaffinity(0))
    visit = RPC.visit(host_program, asking(one, figures={"cpus": (last,), "cores": 1}))
    assert visit.conditions["cores"] == str(last)


def test_threads_have_a_core_each(one):
    cpus = tuple(sorted(os.sched_getaffinity(0)))[-2:]
    options = dataclasses.replace(asking(one, figures={"cpus": cpus, "cores": len(cpus)}), threads=len(cpus))
    with RPC.session(options) as session:
        assert session.conditions["threads read back"] == str(len(cpus))
        assert session.conditions["cores"] == ", ".join(map(str, cpus))


def test_a_target_whose_cores_the_board_lacks_is_refused(one):
    one.wait_for(1, "one")
    with pytest.raises(UsageError, match=r"board one .* has cores .*, and target host is cores 999"):
        RPC.check(asking(one, figures={"cpus": (999,)}))


def test_a_library_is_sent_once_whatever_the_number_of_visits(boards, host_program):
    server = boards.serve("keeping", "keeping")
    RPC.visit(host_program, asking(boards, "keeping"))
    kept = boards.libraries(server)
    assert [name.partition("-")[2] for name in kept] == ["network.so"], "kernels alone are for the finish"
    RPC.latency(host_program, asking(boards, "keeping"))
    after = boards.libraries(server)
    assert kept.items() <= after.items()
    assert {name.partition("-")[2] for name in after} == {"network.so", "kernels.so", "peak.so"}


def test_a_device_rests_before_it_is_measured(one, host_program):
    start = time.monotonic()
    RPC.visit(host_program, asking(one, cooldown_s=1.5, timeout_s=10))
    assert time.monotonic() - start >= 1.5


def test_a_wrong_output_gives_no_latency_and_the_device_is_free_again(one, host_program):
    (output,) = host_program.outputs
    other = dataclasses.replace(output, expected=(output.array + 1).tobytes())
    wrong = dataclasses.replace(host_program, outputs=(other,))
    with pytest.raises(RunError, match=r"output on the device differs from torch: .* on board one"):
        RPC.visit(wrong, asking(one))
    one.wait_for(1, "one", seconds=5)


def test_every_output_comes_back_from_a_board_and_is_compared(one):
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.boxes, self.scores = nn.Conv2d(1, 4, 3), nn.Conv2d(1, 2, 3)

        def forward(self, image, scale):
            return {"boxes": 1e3 * self.boxes(image), "scores": [self.scores(image) * scale, None]}

    signature = Signature((Input("image", (1, 1, 6, 10)), Input("scale", ())))
    program = compile_model(Heads(), signature, get_target("host"), threads=1)
    _, errors = in_session(asking(one), lambda session: run_program(program, session))
    assert [error.name for error in errors] == ["boxes", "scores.0"]
    assert all(error.relative <= 1e-5 for error in errors)
    assert RPC.visit(program, asking(one)).samples_ms
    boxes, scores = program.outputs
    other = dataclasses.replace(scores, expected=(scores.array + 1e-3).tobytes())
    with pytest.raises(RunError, match=r"output scores\.0 on the device differs from torch: .* on board one"):
        RPC.visit(dataclasses.replace(program, outputs=(boxes, other)), asking(one))


def test_a_kernel_that_hangs_costs_its_session_and_the_device_is_free_again(one, host_program):
    endless = Update(tiles=1, accumulators=4, lanes=4, steps=2**40)
    library = link_kernels([compile_update(endless, "endless", get_target("host"))])

    def run(session):
        values = tvm.runtime.tensor(np.ones(endless.shape, "float32"), session.device)
        factor = tvm.runtime.tensor(np.ones(endless.lanes, "float32"), session.device)
        session.load("endless.so", library)["endless"](values, factor)

    start = time.monotonic()
    with pytest.raises(DeviceTimeout, match=r"board one .* did not finish within 2 s: a kernel hangs"):
        in_session(asking(one, timeout_s=2), run)
    assert time.monotonic() - start < 15
    assert RPC.visit(host_program, asking(one)).samples_ms


def test_a_device_that_goes_away_in_the_middle_is_told(boards):
    server = boards.serve("leaving", "leaving")

    def leave(session):
        for process in [*server.children(), server]:
            process.kill()
        sleep(session)

    with pytest.raises(DeviceLost, match=r"device leaving .* went away in the middle"):
        in_session(asking(boards, "leaving"), leave)


def test_a_kernel_that_crashes_leaves_a_server_that_serves_on(boards, host_program):
    server = boards.serve("crashing", "crashing")

    def crash(session):
        os.kill(server.children()[0].pid, signal.SIGSEGV)
        sleep(session)

    with pytest.raises(DeviceLost):
        in_session(asking(boards, "crashing"), crash)
    assert RPC.visit(host_program, asking(boards, "crashing")).samples_ms
    assert "broke off (exit code -11)" in boards.log(server)


def test_a_client_that_dies_leaves_a_server_that_serves_on(boards, host_program):
    server = boards.serve("surviving", "surviving")
    call = [sys.executable, "-c", CLIENT, boards.address, "surviving"]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout.readline() == "in\n"
        time.sleep(0.5)  # It is in the middle of a call then.
        client.kill()
    assert RPC.visit(host_program, asking(boards, "surviving")).samples_ms
    assert server.is_running()


def test_a_server_that_is_ended_takes_its_session_along(boards):
    server = boards.serve("ending", "ending")

    def kill(session):
        (child,) = server.children()
        server.kill()
        psutil.wait_procs([child], timeout=5)
        assert not child.is_running()
        sleep(session)

    with pytest.raises(DeviceLost):
        in_session(asking(boards, "ending"), kill)


def test_a_device_that_stays_busy_is_waited_for_and_told(one):
    def ask_again(_session):
        with pytest.raises(
            DeviceUnavailable, match="the device with key one stayed busy for 1 s; see bench board list"
        ):
            in_session(asking(one, wait_s=1))

    in_session(asking(one), ask_again)
    one.wait_for(1, "one", seconds=5)


def test_a_device_that_comes_free_in_time_is_used(one, host_program):
    call = [sys.executable, "-c", CLIENT, one.address, "one"]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout.readline() == "in\n"
        assert RPC.visit(host_program, asking(one)).samples_ms
        client.wait()


def test_a_device_that_does_not_answer_is_passed_over(boards, monkeypatch):
    monkeypatch.setattr(connection, "_CONNECT_S", 1.0)
    server = boards.serve("frozen", "frozen")
    server.suspend()
    try:
        with pytest.raises(DeviceUnavailable, match=r"device 127.*with key frozen (does not answer|stayed busy)"):
            in_session(asking(boards, "frozen", wait_s=0.5))
    finally:
        server.resume()


def test_a_board_of_another_architecture_is_told_before_anything_is_sent(boards):
    server = boards.serve("rk3399", "no rk3399")
    other = {"x86_64": "aarch64"}.get(os.uname().machine, "x86_64")
    triple = {"mtriple": f"{other}-linux-gnu", "kind": "llvm"}
    options = asking(boards, "rk3399", figures={"tvm_target": triple})
    expected = rf"no rk3399 .* is {os.uname().machine}, and code for target host runs on {other}"
    with pytest.raises(UsageError, match=expected):
        RPC.check(options)
    with pytest.raises(DeviceUnavailable, match=expected):
        in_session(options)
    assert boards.libraries(server) == {}


def test_a_board_with_another_version_of_tvm_is_told_before_anything_is_sent(boards):
    # The server says what the package's metadata say; here it is made to say something else.
    old = "import importlib.metadata as metadata\nmetadata.version = lambda name: '0.26.0'\n"
    boards.serve("old", "old", before=old)
    with pytest.raises(UsageError, match=r"old .* has apache-tvm 0\.26\.0, here is .*: pip install apache-tvm==0\.27"):
        RPC.check(asking(boards, "old"))


def test_an_emulated_board_gives_no_latency(boards, host_program):
    boards.serve("emulated", "emulated", "--emulated")
    options = asking(boards, "emulated")
    assert in_session(options, lambda session: session.emulated)
    with pytest.raises(DeviceUnavailable, match="is emulated: its times say nothing"):
        RPC.visit(host_program, options)


def test_a_tracker_that_went_away_is_told_after_the_wait(own_boards, host_program):
    own_boards.serve("one", "one")
    own_boards.process.kill()
    own_boards.process.wait(10)
    with pytest.raises(DeviceUnavailable, match=r"no tracker answers at .*; start one: bench board tracker"):
        in_session(asking(own_boards, wait_s=1))


def test_a_tracker_that_comes_back_finds_its_boards_again(own_boards, host_program):
    own_boards.serve("one", "one")
    own_boards.process.kill()
    own_boards.process.wait(10)
    own_boards.start()
    assert RPC.visit(host_program, asking(own_boards)).samples_ms


def test_a_key_that_nobody_serves_is_told_with_the_command_that_does(boards):
    with pytest.raises(UsageError, match=r"has no device with key nobody; .* bench board serve .* --key nobody"):
        RPC.check(asking(boards, "nobody"))
