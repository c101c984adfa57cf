"""What a board says of itself to the machine that measures on it."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version

from blockfront.board.state import Cpu, State, architecture, memory_bytes, model, read_cores, read_state


@dataclass(frozen=True)
class Board:
    """A board: its name, hardware and software, and its state when it was asked.

    `machine` is the architecture, `tvm` the version of TVM there, `memory_bytes` what a program may take; `emulated`
    boards run the right code in the wrong time.
    """

    name: str
    machine: str
    model: str
    system: str
    tvm: str
    emulated: bool
    memory_bytes: int
    cores: tuple[Cpu, ...]
    state: State


@dataclass(frozen=True)
class Threads:
    """What a session's kernels run on, read back: the number of threads, and the cores these may use."""

    threads: int
    cpus: tuple[int, ...]


def describe_board(name: str, emulated: bool = False) -> Board:
    """This machine as a board called `name`."""
    return Board(
        name=name,
        machine=architecture(),
        model=model(),
        system=f"{platform.system()} {platform.release()}",
        tvm=version("apache-tvm"),
        emulated=emulated,
        memory_bytes=memory_bytes(),
        cores=read_cores(),
        state=read_state(),
    )
