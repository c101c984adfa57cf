"""What was measured and profiled of each network: kept as it comes, so that judging it again takes neither."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from blockfront.errors import RunError
from blockfront.targets.latency.calibration import Measured
from blockfront.targets.latency.profiler.counts import Profile
from blockfront.targets.latency.statistics import median

DISTURBED = 0.08


class KernelRecord(msgspec.Struct, frozen=True):
    """A kernel of a network: `calls` executions an inference, each of `ms` milliseconds."""

    symbol: str
    operator: str
    calls: int
    macs: int
    ms: float


class Measurement(msgspec.Struct, frozen=True):
    """A network on this machine: the samples of every visit in milliseconds, and its kernels timed one by one.

    `code` stands for what was measured: a change of target or rules changes it.
    """

    network: str
    family: str
    code: str
    macs: int
    device: str
    visits_ms: tuple[tuple[float, ...], ...]
    kernels: tuple[KernelRecord, ...]

    @property
    def ms(self) -> float:
        """The median sample of the fastest visit: others disturb whole visits, and only ever add time."""
        return min(map(median, self.visits_ms))

    @property
    def kernels_over_whole(self) -> float:
        """What the kernels take one by one, over what the network takes."""
        return sum(kernel.calls * kernel.ms for kernel in self.kernels) / self.ms

    @property
    def disturbed(self) -> bool:
        """Whether the two differ by so much that something else must have run meanwhile."""
        return not 1 - DISTURBED < self.kernels_over_whole < 1 + DISTURBED


class Profiles(msgspec.Struct, frozen=True):
    """What a network's kernels execute, by symbol; `code`: as of `Measurement`, and of the profiler."""

    network: str
    code: str
    kernels: dict[str, Profile]


class TrainedNetwork(msgspec.Struct, frozen=True):
    """A network's value on the test images after a training; `code` stands for recipe, data and seed."""

    network: str
    family: str
    code: str
    macs: int
    params: int
    value: float
    seconds: float


Record = TypeVar("Record", Measurement, Profiles, TrainedNetwork)


def read_records(path: Path, kind: type[Record], code: str) -> dict[str, Record]:
    """The records of a file of JSON lines that are about `code`, by network; lines cut short are passed over."""
    found: dict[str, Record] = {}
    if not path.exists():
        return found
    for line in path.read_bytes().splitlines():
        try:
            record = msgspec.json.decode(line, type=kind)
        except msgspec.MsgspecError:
            continue
        if record.code == code:
            found[record.network] = record
    return found


def keep_record(path: Path, record: Measurement | Profiles | TrainedNetwork | Measured) -> None:
    """Add a record to a file; raises `RunError` when it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(msgspec.json.encode(record) + b"\n")
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}") from error
