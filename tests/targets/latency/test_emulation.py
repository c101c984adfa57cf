"""Boards in software run a board's very code, find what is wrong with it, time nothing, and leave nothing behind."""

import dataclasses
import os
import signal
import subprocess
import sys
from contextlib import suppress

import numpy as np
import psutil
import pytest

from blockfront import debian
from blockfront.agreement.outputs import worst
from blockfront.errors import DeviceLost, DeviceTimeout, RunError, UsageError
from blockfront.signature import Signature
from blockfront.targets import METERS, RunOptions, compile_model, get_target
from blockfront.targets.compiler.linking import Linked
from blockfront.targets.latency.emulation import check_emulable, emulated_boards, own_tracker, qemu, readiness
from blockfront.targets.latency.meters.measure import run_program
from tests.conftest import wait_until

RPC = METERS["rpc"]
RETURN, UNDEFINED, AROUND_ITSELF = (bytes.fromhex(code) for code in ("c0035fd6", "00000000", "00000014"))
PATIENCE = 120


def on(address, target="rk3399", **others):
    chosen = get_target(target)
    return RunOptions(target=chosen, threads=chosen.cores, tracker=address, wait_s=60, **others)


def relative_error(program, options):
    with RPC.session(options) as session:
        return worst(run_program(program, session)[1])[1]


def board_processes(command):
    """The shell and the emulators below a process, and what each is called."""
    found = {}
    for child in command.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # It may end while it is looked at.
            if "blockfront.board.server" in child.cmdline():
                found[child] = child.name()
    return found


@pytest.fixture
def emulating(emulation, tmp_path):
    """`bench board emulate rk3399`, as a process, with what it prints in a file."""
    printed = tmp_path / "printed"
    with printed.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "blockfront", "board", "emulate", "rk3399"],
            cwd=tmp_path,
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdout=output,
            stderr=output,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    command = psutil.Process(process.pid)
    try:
        yield process, command, printed
    finally:
        for one in [*command.children(recursive=True), command] if command.is_running() else []:
            one.kill()
        process.wait()


def test_the_code_for_a_board_computes_there_what_torch_does(emulated_board, board_program):
    with RPC.session(on(emulated_board)) as session:
        _, (error,) = run_program(board_program, session)
    assert session.emulated
    largest = np.abs(board_program.outputs[0].array).max()
    assert 0 < error.relative <= 1e-5
    assert error.absolute == pytest.approx(error.relative * largest)


def test_code_for_other_cores_of_the_board_runs_there_too(emulated_board, tiny):
    program = compile_model(tiny, Signature.image(16), get_target("rk3399_little"), seed=0)
    assert relative_error(program, on(emulated_board, "rk3399_little")) <= 1e-5


def test_a_weight_that_is_wrong_in_the_library_is_found_out(emulated_board, board_program, tiny):
    bias = tiny[-1].bias.detach().numpy()
    assert board_program.library.content.count(bias.tobytes()) == 1
    wrong = board_program.library.content.replace(bias.tobytes(), (bias + 1).tobytes())
    program = dataclasses.replace(board_program, library=Linked.of(wrong))
    largest = np.abs(board_program.outputs[0].array).max()
    assert relative_error(program, on(emulated_board)) == pytest.approx(1 / largest, rel=1e-3)


@pytest.mark.parametrize(
    ("instead_of_returning", "failure"),
    [(UNDEFINED, DeviceLost), (AROUND_ITSELF, DeviceTimeout)],
    ids=["crash", "hang"],
)
def test_code_that_crashes_or_hangs_costs_its_session_alone(
    emulated_board, board_program, instead_of_returning, failure
):
    broken = board_program.library.content.replace(RETURN, instead_of_returning)
    with pytest.raises(failure):
        relative_error(dataclasses.replace(board_program, library=Linked.of(broken)), on(emulated_board, timeout_s=5))
    assert relative_error(board_program, on(emulated_board)) <= 1e-5


def test_its_times_are_refused(emulated_board, board_program):
    with pytest.raises(RunError, match=r"cortex-a72 by QEMU .* is emulated: its times .* bench verify"):
        RPC.latency(board_program, on(emulated_board))


def test_a_core_that_qemu_lacks_is_emulated_as_its_twin_and_said_so(emulation):
    def processor(cpu):
        target = dataclasses.replace(
            get_target("rk3399"),
            tvm_target={"kind": "llvm", "mtriple": "aarch64-linux-gnu"} | ({"mcpu": cpu} if cpu else {}),
        )
        return emulation.qemu.processor(target)

    assert (processor("cortex-a53").cpu, processor("cortex-a53").note) == ("cortex-a53", None)
    assert processor("cortex-x1").cpu == "cortex-a76"
    assert "knows no cortex-x1" in processor("cortex-x1").note
    for unknown in ("apple-m1", None):
        assert processor(unknown).cpu == "max"
        assert "every instruction" in processor(unknown).note


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("visionfive2", "none for riscv64"),
        ("odroid_xu4", "none for arm;"),
        ("host", "is this machine"),
        ("rk3399_gpu", "not graphics"),
    ],
)
def test_what_cannot_be_emulated_is_refused_with_the_reason(target, reason):
    with pytest.raises(UsageError, match=reason):
        check_emulable(get_target(target))


def test_without_qemu_and_apt_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    assert readiness() == "not possible here: install qemu-user, which is for Linux"
    with pytest.raises(RunError, match="qemu-aarch64 is missing: install qemu-user"):
        qemu.find_qemu()


@pytest.mark.processes
def test_a_download_that_fails_is_one_line_and_leaves_nothing(monkeypatch, tmp_path):
    if debian.obstacle():
        pytest.skip(debian.obstacle())
    monkeypatch.setattr(debian, "_MIRROR", (tmp_path / "nowhere").as_uri())
    with pytest.raises(RunError, match=r"fetching Debian's lists failed: E: .*nowhere") as raised:
        debian.unpack(["libc6"], "arm64", tmp_path / "root")
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_board_that_cannot_start_is_told_with_its_last_words(emulation, tmp_path):
    broken = dataclasses.replace(emulation, guest=dataclasses.replace(emulation.guest, site=tmp_path))
    with (
        emulated_boards(broken, own_tracker()) as (board,),
        pytest.raises(RunError, match=r"the emulated board at 127\.0\.0\.1:\d+ stopped: .*No module named 'tvm"),
    ):
        board.await_registration()


def test_ctrl_c_ends_emulated_boards_and_leaves_nothing_behind(emulating, tmp_path):
    process, command, printed = emulating
    wait_until(lambda: "device 1 of 1 is rk3399 at 127.0.0.1:" in printed.read_text())
    below = board_processes(command)
    assert any("qemu" in name for name in below.values())
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    assert psutil.wait_procs(below, timeout=10)[1] == []
    assert [path.name for path in tmp_path.iterdir()] == ["printed"]
    assert "Traceback" not in printed.read_text()


def test_emulated_boards_do_not_outlive_a_command_that_is_killed(emulating):
    process, command, _ = emulating
    wait_until(lambda: any("qemu" in name for name in board_processes(command).values()))
    below = board_processes(command)
    process.kill()
    process.wait()
    assert psutil.wait_procs(below, timeout=10)[1] == []
