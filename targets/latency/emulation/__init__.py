"""Boards in software: code for a target run by QEMU's user emulation, to prove that it is right, not how fast it is."""

from blockfront.targets.latency.emulation.board import (
    EmulatedBoard,
    Emulation,
    await_end,
    emulated_boards,
    prepare_emulation,
)
from blockfront.targets.latency.emulation.guest import readiness
from blockfront.targets.latency.emulation.qemu import check_emulable
from blockfront.targets.latency.emulation.tracker import own_tracker

__all__ = [
    "EmulatedBoard",
    "Emulation",
    "await_end",
    "check_emulable",
    "emulated_boards",
    "own_tracker",
    "prepare_emulation",
    "readiness",
]
