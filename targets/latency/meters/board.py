"""Measuring on a board through TVM's RPC tracker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, ClassVar

from packaging.version import Version

from blockfront.board.connection import Connection, ask_tracker, connect, no_such_device
from blockfront.board.remote_engine import EngineOnBoard, board_versions
from blockfront.board.sockets import Address, parse_address, tracker_address
from blockfront.board.state import conditions
from blockfront.digest import digest
from blockfront.engines import ENGINES
from blockfront.errors import DeviceUnavailable, RunError, UsageError
from blockfront.plurals import counted
from blockfront.targets.hardware.hardware import Hardware
from blockfront.targets.hardware.instruction_set import instruction_set
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.meter import Reservation
from blockfront.targets.latency.meters.gpu import find_device
from blockfront.targets.latency.meters.measure import Measures, Session
from blockfront.targets.latency.options import RunOptions
from blockfront.targets.latency.toolchain import Runs, Toolchain

_CHECK_S = 5.0
_BIG_CORES = 1


class BoardMeter(Measures):
    """Upload, run and time on a device that a tracker hands out; the session is closed whatever happens."""

    name = "rpc"
    title = "measured on a board attached to a TVM RPC tracker"
    options: ClassVar[tuple[str, ...]] = ("tracker", "cooldown")

    def accepts(self, toolchain: Toolchain[Any, Any], hardware: Hardware) -> bool:
        """Whatever runs: programs, which TVM's own server loads too, and engines, which ours alone starts."""
        return isinstance(toolchain, Runs) and isinstance(hardware, Target) and hardware.serves

    def reservation(self, options: RunOptions) -> Reservation | None:
        """Without a tracker nobody asks for a board."""
        if tracker_address(options.tracker) is not None:
            return None
        key = options.target.tracker_key
        start = f"run bench board tracker here and bench board serve --key {key} on the board"
        return Reservation("no board attached", f"{start}, and pass --tracker HOST:PORT")

    def check(self, options: RunOptions) -> None:
        """Raise `UsageError` unless the tracker answers within seconds and knows a device that fits the target.

        Whether a device fits is asked of one that is free; a busy one is asked when its turn comes.
        """
        tracker, key = _tracker(options), options.target.tracker_key
        summary = ask_tracker(tracker)
        if summary.count(key) == 0:
            raise UsageError(no_such_device(tracker, key))
        if summary.free.get(key, 0) == 0:
            return
        try:
            connection = connect(tracker, key, _CHECK_S, _CHECK_S)
        except DeviceUnavailable:
            return
        try:
            check_fit(connection, options.target)
            if options.toolchain in ENGINES:
                board_versions(connection, options.toolchain)
        except DeviceUnavailable as error:
            raise UsageError(str(error)) from error
        finally:
            connection.close()

    def standing(self, options: RunOptions) -> str:
        """Whether a device answers, where one is asked for."""
        missing = self.reservation(options)
        if missing is not None:
            return f"{missing.why}: {missing.remedy}"
        self.check(options)
        return f"the tracker answers, and has a device for {options.target.name}"

    def devices(self, options: RunOptions) -> int:
        """How many devices of the target's key the tracker knows, busy ones included."""
        return ask_tracker(_tracker(options)).count(options.target.tracker_key)

    @contextmanager
    def session(self, options: RunOptions) -> Iterator[Session]:
        """Wait for a device that fits the target, and set its threads; libraries are uploaded.

        Raises `DeviceUnavailable` when there is none, `DeviceLost` when it goes away, `DeviceTimeout` when it takes
        too long, and `RunError` with what else the device reports.
        """
        limit_s = options.timeout_s + options.cooldown_s
        connection = connect(_tracker(options), options.target.tracker_key, options.wait_s, limit_s)
        try:
            check_fit(connection, options.target)
            threads = options.target.pool_threads(options.threads)
            cpus = _use_threads(connection, options.target, threads) if threads else ()
            yield Session(
                find_device(connection.remote, options.target, f"device {connection.name}"),
                lambda name, library: connection.load(_kept_name(name, library), library),
                name=connection.name,
                conditions=_conditions(connection, threads, cpus),
                state=lambda: _state(connection, cpus),
                memory_bytes=connection.board.memory_bytes if connection.board else 0,
                emulated=bool(connection.board and connection.board.emulated),
                start_engine=lambda engine, contents: EngineOnBoard(
                    connection, engine, contents, options.threads, options.target.cpus or cpus
                ),
            )
        except Exception as error:
            raise connection.failure(error) from error
        finally:
            connection.close()


def check_fit(connection: Connection, target: Target) -> None:
    """Raise `DeviceUnavailable` unless code for `target` can run on the device, as far as its server tells."""
    board = connection.board
    if board is None:
        return
    needed, offered = target.architecture, instruction_set(board.machine)
    if needed and needed != offered:
        raise DeviceUnavailable(
            f"device {connection.name} is {board.machine}, and code for target {target.name} runs on {needed}; "
            f"serve it under another key, or name its target"
        )
    cores = {core.cpu for core in board.cores}
    if not board.emulated and not set(target.cpus) <= cores:
        raise DeviceUnavailable(
            f"device {connection.name} has cores {_numbers(sorted(cores))}, and target {target.name} is cores "
            f"{_numbers(target.cpus)}; serve it under another key, or name its target"
        )
    ours = version("apache-tvm")
    if Version(board.tvm).release != Version(ours).release:
        raise DeviceUnavailable(
            f"device {connection.name} has apache-tvm {board.tvm}, here is {ours}; on the board run: "
            f"pip install apache-tvm=={ours}"
        )


def _use_threads(connection: Connection, target: Target, threads: int) -> tuple[int, ...]:
    """Set the device's threads; the cores they may use, empty when TVM's own server runs there and does not tell."""
    used = connection.configure(target.cpus, threads)
    if used is not None:
        count, cpus = used.threads, used.cpus
    elif target.cpus:
        raise DeviceUnavailable(
            f"device {connection.name} runs TVM's own server, which cannot choose the cores of {target.name}; "
            "start bench board serve there"
        )
    else:
        connection.remote.get_function("runtime.config_threadpool")(_BIG_CORES, threads)
        count, cpus = int(connection.remote.get_function("runtime.NumThreads")()), ()
    if count != threads:
        raise RunError(
            f"device {connection.name} uses {counted(count, 'thread')}, not {threads}; "
            "set TVM_NUM_THREADS on the board before starting the RPC server"
        )
    emulated = connection.board is not None and connection.board.emulated
    if target.cpus and not emulated and not set(cpus) <= set(target.cpus):
        raise DeviceUnavailable(
            f"device {connection.name} runs on cores {_numbers(cpus)}, not on {_numbers(target.cpus)} "
            f"as target {target.name} asks"
        )
    return cpus


def _conditions(connection: Connection, threads: int, cpus: tuple[int, ...]) -> dict[str, str]:
    found = {"threads read back": str(threads or "")}
    if connection.board:
        cores = {core.cpu: core.part for core in connection.board.cores}
        found["cores"] = _numbers(cpus)
        found["processor"] = ", ".join(dict.fromkeys(cores[cpu] for cpu in cpus if cpu in cores))
        found["apache-tvm"] = connection.board.tvm
    return {label: text for label, text in found.items() if text}


def _state(connection: Connection, cpus: tuple[int, ...]) -> dict[str, str]:
    state = connection.state()
    return conditions(state, cpus) if state else {}


def _numbers(cpus: Sequence[int]) -> str:
    return ", ".join(str(cpu) for cpu in cpus)


def _kept_name(name: str, library: bytes) -> str:
    """A name that stands for this library alone, so that a board can keep it from one session to the next."""
    return f"{digest(library, 24)}-{name}"


def _tracker(options: RunOptions) -> Address:
    address = tracker_address(options.tracker)
    if address is None:
        raise UsageError("runner rpc needs a tracker: --tracker HOST:PORT or TVM_TRACKER_HOST and _PORT")
    return parse_address(address)
