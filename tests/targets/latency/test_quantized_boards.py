"""The code for Arm boards that multiplies bytes gives torch's very bits where it runs, by dot products and without, and
that which computes in float16 about what torch's float16 does."""

import pytest

from blockfront.board.sockets import format_address
from blockfront.targets import METERS, RunOptions, compile_model, get_target
from blockfront.targets.latency.emulation import emulated_boards, own_tracker, prepare_emulation
from blockfront.targets.latency.meters.measure import run_program
from tests.targets.compiler.test_halves import Parts
from tests.targets.compiler.test_quantized import IMAGE, Network

pytestmark = [pytest.mark.emulates, pytest.mark.long]
RPC = METERS["rpc"]
BOARD = "rpi5"


@pytest.fixture(scope="module")
def board(emulation):
    """A board in software whose cores have dot products."""
    tracker = own_tracker()
    with emulated_boards(prepare_emulation(get_target(BOARD)), tracker) as (board,):
        board.await_registration()
        chosen = get_target(BOARD)
        yield RunOptions(target=chosen, threads=chosen.cores, tracker=format_address(tracker), wait_s=60)


@pytest.mark.parametrize("target", ["rpi5", "rpi4"])
def test_a_board_computes_torchs_very_bits(board, target):
    program = compile_model(Network(), IMAGE, get_target(target))
    with RPC.session(board) as session:
        errors = {error.name: error for error in run_program(program, session)[1]}
    assert max(errors.pop(name).relative for name in ("real", "logits")) < 1e-6
    assert {error.absolute for error in errors.values()} == {0.0}


def test_a_board_computes_in_float16_what_torch_does(board):
    program = compile_model(Parts(), IMAGE, board.target, seed=0, halves=True)
    with RPC.session(board) as session:
        errors = run_program(program, session)[1]
    for error in errors:
        assert error.agrees, error
        assert error.relative > 1e-5, error.name
