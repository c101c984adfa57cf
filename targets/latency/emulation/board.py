"""Boards in software: a real board's server, run by the emulated Python, in processes that never outlive ours."""

from __future__ import annotations

import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from blockfront import errors
from blockfront.board.sockets import Address, format_address, listen
from blockfront.board.tracker import read_summary
from blockfront.errors import RunError
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.emulation.guest import Guest, find_guest
from blockfront.targets.latency.emulation.qemu import EmulatedProcessor, Qemu, check_emulable, find_qemu

_START_S = 300
_POLL_S = 0.2
# The shell reads a pipe that closes when this process ends, in whatever way. Then it kills its process group: the
# emulator and the sessions that forked from it. It gives its own output away, so that the output ends with the
# emulator.
_KEEPER = 'ulimit -c 0; "$@" & exec >/dev/null 2>&1; cat; kill -KILL $!; wait; kill -KILL 0'


@dataclass(frozen=True)
class Emulation:
    """What emulating boards of a target takes, all of it there."""

    target: Target
    qemu: Qemu
    guest: Guest
    processor: EmulatedProcessor

    @property
    def title(self) -> str:
        """What is emulated, for a person."""
        note = f" ({self.processor.note})" if self.processor.note else ""
        return f"{self.processor.cpu} by QEMU {self.qemu.version}{note}"


def prepare_emulation(target: Target) -> Emulation:
    """Find, or else download, what emulating `target` takes.

    Raises `UsageError` for a target that cannot be emulated, and `RunError` with what to do where a part is missing.
    """
    check_emulable(target)
    qemu = find_qemu()
    return Emulation(target, qemu, find_guest(), qemu.processor(target))


@dataclass(frozen=True)
class EmulatedBoard:
    """One device: an emulated server that listens at `address` and registers with `tracker` under `key`."""

    key: str
    address: Address
    tracker: Address
    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def check(self) -> None:
        """Raise `RunError` with the last line the server said when it has stopped."""
        if _ended([self.process], 0):
            self.log.seek(0)
            said = self.log.read().decode(errors="replace").split("\n")
            last = next((line for line in reversed(said) if line.strip()), "it said nothing")
            raise RunError(f"the emulated board at {format_address(self.address)} stopped: {last}")

    def await_registration(self) -> None:
        """Wait until the tracker knows the device; raises `RunError` when it stops before that or takes minutes."""
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            self.check()
            try:
                known = read_summary(self.tracker).devices.get(self.key, ())
            except OSError as error:
                raise RunError(
                    f"no tracker answers at {format_address(self.tracker)}: {error.strerror or error}"
                ) from error
            if self.address[1] in [port for _, port in known]:
                return
            time.sleep(_POLL_S)
        raise RunError(
            f"the emulated board at {format_address(self.address)} did not register within {_START_S // 60} minutes"
        )


def await_end(boards: Sequence[EmulatedBoard]) -> None:
    """Wait until one of the boards stops, and raise its `RunError`."""
    _ended([board.process for board in boards], None)
    for board in boards:
        board.check()


@contextmanager
def emulated_boards(
    emulation: Emulation, tracker: Address, *, key: str | None = None, devices: int = 1, host: str = "127.0.0.1"
) -> Iterator[list[EmulatedBoard]]:
    """Start devices that listen at `host`, under the target's key unless another is given.

    At the end, and also when this process dies, none of their processes is left.
    """
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-emulation-", ignore_cleanup_errors=True))
        # This package's modules that a board needs, and nothing else of this environment.
        Path(name, "blockfront").symlink_to(Path(errors.__file__).parent, target_is_directory=True)
        wanted = key or emulation.target.tracker_key
        yield [stack.enter_context(_board(emulation, tracker, wanted, host, Path(name))) for _ in range(devices)]


@contextmanager
def _board(emulation: Emulation, tracker: Address, key: str, host: str, folder: Path) -> Iterator[EmulatedBoard]:
    address = host, _free_port(host)
    arguments = ["-m", "blockfront.board.server", "--emulated", "--tracker", format_address(tracker), "--key", key]
    arguments += ["--host", host, "--port", str(address[1]), "--name", emulation.title]
    environment = {
        **emulation.guest.environment(emulation.target.cores, folder),
        "TMPDIR": str(folder),
        # A board compiles nothing, and TVM's compiler takes most of the start.
        "TVM_USE_RUNTIME_LIB": "1",
    }
    command = [*emulation.qemu.as_cpu(emulation.processor.cpu), *emulation.guest.command(*arguments)]
    with tempfile.TemporaryFile(dir=folder) as log:
        process = subprocess.Popen(
            ["sh", "-c", _KEEPER, "sh", *command],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield EmulatedBoard(key, address, tracker, process, log)
        finally:
            # Closes the pipe that the shell reads, and waits for it.
            process.communicate()


def _ended(processes: Sequence[subprocess.Popen[bytes]], wait_s: float | None) -> bool:
    """Whether the output of one of them has ended, within `wait_s`; nothing is ever said there."""
    outputs = [process.stdout for process in processes if process.stdout is not None]
    return bool(select.select(outputs, [], [], wait_s)[0])


def _free_port(host: str) -> int:
    with closing(listen(host, range(1))) as listener:
        port: int = listener.getsockname()[1]
        return port
