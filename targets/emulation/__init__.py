"""Boards in software: code for a target run by QEMU's user emulation, to prove that it is right, not how fast it is."""

from bench.targets.emulation.board import EmulatedBoard, Emulation, await_end, emulated_boards, prepare
from bench.targets.emulation.guest import readiness
from bench.targets.emulation.qemu import check_target
from bench.targets.emulation.tracker import own_tracker

__all__ = [
    "EmulatedBoard",
    "Emulation",
    "await_end",
    "check_target",
    "emulated_boards",
    "own_tracker",
    "prepare",
    "readiness",
]
