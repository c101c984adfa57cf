"""The database of tuned kernels: one file a target for all its networks, a record a line."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import msgspec
from msgspec import structs

from blockfront.content_store import cache_folder
from blockfront.digest import digest
from blockfront.errors import RunError, UsageError
from blockfront.plurals import counted
from blockfront.targets.compiler.kernel_cache import rules_version
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.options import Traces
from blockfront.targets.latency.statistics import median_interval


class TuningSetting(msgspec.Struct, frozen=True):
    """What a kernel was tuned for: TVM's target and version, threads, and the rules it was compared with."""

    target: str
    threads: int
    tvm: str
    rules: str


class TuningRecord(msgspec.Struct, frozen=True):
    """One tuned kernel: the best trace of `trials` candidates, and its times beside those of the rule's schedule.

    `kernel` is the symbol of the rule's kernel, the same in all networks that share it; `name` says what is fused in
    it. `rule_ms` and `tuned_ms` were measured in turns on `device`, a pair a round.
    """

    kernel: str
    name: str
    setting: TuningSetting
    trials: int
    trace: str
    rule_ms: tuple[float, ...]
    tuned_ms: tuple[float, ...]
    max_rel_error: float
    device: str
    date: str

    @property
    def ratios(self) -> list[float]:
        """Tuned over rule-scheduled time of every round: what disturbs a round disturbs both."""
        return [tuned / rule for tuned, rule in zip(self.tuned_ms, self.rule_ms, strict=True)]

    @property
    def ratio_ci95(self) -> tuple[float, float]:
        """95 % interval of the median ratio."""
        return median_interval(self.ratios)

    @property
    def kept(self) -> bool:
        """Whether the tuned kernel replaces the rule's: the whole interval lies below 1."""
        return self.ratio_ci95[1] < 1


class TuningDatabase:
    """A file that any number of processes may read and add to: every record is one line, appended in one write.

    It may hold records of any setting; this one sees those for `threads` threads of `target` and the TVM installed.
    A later record of a kernel replaces an earlier one. Without `path` the file is `tuning/TARGET.jsonl` in the
    cache folder.
    """

    def __init__(self, target: Target, threads: int, path: Path | None = None) -> None:
        self.path = path or cache_folder() / "tuning" / f"{target.name}.jsonl"
        self.target = target
        rules = digest(f"{target.machine(threads)!r} {rules_version()}", 16)
        self.setting = TuningSetting(str(target.compiler()), threads, version("apache-tvm"), rules)

    def records(self) -> dict[str, TuningRecord]:
        """The latest record of each kernel by its symbol, whatever its rules; a damaged line counts as absent.

        Raises `UsageError` for a file that cannot be read.
        """
        try:
            lines = self.path.read_bytes().splitlines() if self.path.exists() else []
        except OSError as error:
            raise UsageError(f"cannot read the tuning database {self.path}: {error.strerror}") from error
        records = [record for line in lines if (record := _decoded(line)) is not None]
        return {
            record.kernel: record
            for record in records
            if structs.replace(record.setting, rules=self.setting.rules) == self.setting
        }

    def traces(self) -> dict[str, str]:
        """The traces that beat today's rules, by the symbol of their kernel.

        Raises `UsageError` when the database has nothing that was compared with these rules.
        """
        current = [record for record in self.records().values() if record.setting == self.setting]
        if not current:
            name, threads = self.target.name, self.setting.threads
            raise UsageError(
                f"{self.path} has no kernel tuned against today's rules for {name} with {counted(threads, 'thread')}; "
                f"run: bench tune STUDY_OR_NETWORK --target {name} --threads {threads}"
            )
        return {record.kernel: record.trace for record in current if record.kept}

    def add(self, record: TuningRecord) -> None:
        """Append a record. Raises `RunError` when the file cannot be written."""
        # A line break before it, too: what a writer that was killed has left ends there.
        line = b"\n" + msgspec.json.encode(record) + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as file:
                if file.write(line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise RunError(f"cannot write the tuning database {self.path}: {error.strerror}") from error


def find_traces(tuned: bool, path: str | Path | None) -> Traces | None:
    """Who finds the traces that beat today's rules in a target's database, or in the file `path`; None if not `tuned`.

    Raises `UsageError` for a file that nobody is to use; what is found may raise it as `TuningDatabase.traces` does.
    """
    if not tuned:
        if path is not None:
            raise UsageError("--database names a file of tuned kernels; add --tuned to use them")
        return None
    return lambda target, threads: TuningDatabase(target, threads, Path(path) if path else None).traces()


def traces_hash(traces: Mapping[str, str]) -> str:
    """A hash of what tuned kernels a network may get."""
    return digest(json.dumps(sorted(traces.items())), 12)


def _decoded(line: bytes) -> TuningRecord | None:
    try:
        return msgspec.json.decode(line, type=TuningRecord)
    except msgspec.DecodeError:
        return None
