"""Predicted latencies of known networks that come with the package, used while nothing they follow from has changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.metadata import version
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from blockfront.digest import digest
from blockfront.errors import RunError
from blockfront.files import fill_atomically
from blockfront.results import Cost, Latency
from blockfront.results.trial import write_part
from blockfront.sweep.sources import plain_source

if TYPE_CHECKING:
    from blockfront.design_space import Network
    from blockfront.study.journal import Entry, Journal
    from blockfront.targets import Means

TABLE = Path(__file__).with_name("known_latencies.parquet")
"""Rows of `KnownLatency`, made by benchmarks/shipped.py."""
_FOLDERS = ("compiler", "latency/profiler", "latency/prediction")
_FILES = ("latency/meters/emulated.py", "latency/meters/predicting.py")
_OTHERS = ("compiler/gpu.py", "compiler/cuda_compiler.py", "compiler/traces.py")
"""What makes code for GPUs, and what tuned kernels alone ask."""


class _Parts(msgspec.Struct, frozen=True):
    """What a row has of a result."""

    cost: Cost
    latency: Latency


@dataclass(frozen=True)
class KnownLatency:
    """A latency of the table: `latency_ms`, which lies between `low_ms` and `high_ms` nine times in ten.

    `network` is its text; `parts` are cost and latency as a trial keeps them, without the latency's kernels; `made_by`
    is what `made_by` gave. `confirmed` is 0 of what was made so; else the row was made by others, and so many rows
    beside it, drawn at random, came out the same by these.
    """

    network_id: str
    network: str
    input: str
    target: str
    threads: int
    source: str
    latency_ms: float
    low_ms: float | None
    high_ms: float | None
    macs: int
    params: int
    made_by: str
    parts: str
    confirmed: int = 0

    @classmethod
    def of(cls, network: Mapping[str, Any], size: str, cost: Cost, latency: Latency, maker: str) -> KnownLatency:
        """The row of a network as a trial keeps it, with its input."""
        latency = replace(latency, kernels=(), conditions={"from": "a table that was made before"})
        assert latency.threads is not None
        low, high = (latency.prediction and latency.prediction.interval_ms) or (None, None)
        return cls(
            network_id=network["id"],
            network=network["text"],
            input=size,
            target=latency.target,
            threads=latency.threads,
            source=latency.source,
            latency_ms=latency.median_ms,
            low_ms=low,
            high_ms=high,
            macs=cost.macs,
            params=cost.params,
            made_by=maker,
            parts=msgspec.json.encode(write_part(_Parts(cost, latency))).decode(),
        )

    def agrees(self, other: KnownLatency) -> bool:
        """Whether another row of the network says the same, within a hundredth: which kernels are counted in one run of
        the emulator decides where their constants lie, which moved latencies by up to 1.8 % (GhostNet, an rpi4)."""
        times = ((self.latency_ms, other.latency_ms), (self.low_ms, other.low_ms), (self.high_ms, other.high_ms))
        return (self.macs, self.params, self.source) == (other.macs, other.params, other.source) and all(
            a == b or (a is not None and b is not None and isclose(a, b, rel_tol=1e-2)) for a, b in times
        )


def make_rows(network: Network, everywhere: Iterable[Means]) -> Iterator[tuple[Means, KnownLatency | RunError]]:
    """The rows of a network, or why there is none, for means that predict from code, those of one code after another.

    They are as if each were made alone. The network is built, recorded and run by torch once, and compiled once for
    neighbours of one code. Raises `RunError` for a network that cannot be recorded.
    """
    from blockfront.study.journal import facts_of
    from blockfront.sweep.stages import settle
    from blockfront.targets.compiler.compiling import compile_recorded, recorded
    from blockfront.targets.compiler.threads import use_threads
    from blockfront.training import seeded

    facts, size = write_part(facts_of(network)), str(network.signature)
    use_threads(1)
    settle()
    with seeded(0, 1):
        module = network.deployed()
        cost = network.cost_of(module)
        with recorded(module, network.signature, seed=0) as recording:
            for means in sorted(everywhere, key=_code_of):
                try:
                    program = compile_recorded(recording, means.options.target, means.options.threads)
                    latency = means.latency(program)
                except RunError as error:
                    yield means, error
                else:
                    yield means, KnownLatency.of(facts, size, cost, latency, str(made_by(means)))


def _code_of(means: Means) -> tuple[str, int, str]:
    """Where two differ, so does their code."""
    target, threads = means.options.target, means.options.threads
    return str(target.tvm_target), threads, repr(target.machine(threads))


def made_by(means: Means) -> str | None:
    """A hash of all that a prediction follows from but its network; None of what is not predicted from code, untuned.

    It covers what the sources say that compile, emulate and predict, the versions of TVM, torch (without its last part)
    and timm, the model of the core and its errors, the figures of the target, threads and number format.
    """
    options, prediction = means.options, means.prediction
    if means.meter.name != "emulated" or prediction is None or options.tuned is not None:
        return None
    figures = {name: value for name, value in options.target.definition().items() if name != "sources"}
    parts = [_sources(options.target.architecture), prediction, figures, options.threads, options.precision]
    return digest(msgspec.json.encode(parts, order="deterministic"), 16)


def quote_latencies(means: Means, journal: Journal, entries: Sequence[Entry], table: Path = TABLE) -> list[Entry]:
    """Record the table's latencies of the entries that lack one and tell their trials; gives all other entries."""
    rows = {row["network_id"]: row["parts"] for row in valid_rows(means, table, "network_id", "parts")}
    left = []
    for entry in entries:
        parts = rows.get(str(entry.network.id)) if entry.result.latency is None else None
        if parts is None:
            left.append(entry)
            continue
        found = msgspec.json.decode(parts, type=_Parts)
        journal.record(entry, {"cost": found.cost, "latency": found.latency})
        journal.complete(entry)
    return left


def rows_made(means: Means, table: Path = TABLE) -> str:
    """By what the table's rows for these means were made, in words."""
    confirmed = max((row["confirmed"] for row in valid_rows(means, table, "confirmed")), default=0)
    if not confirmed:
        return "made by the same rules and models"
    return f"some of them by earlier rules or models, and kept because {confirmed} drawn at random came out the same"


def valid_rows(means: Means, table: Path = TABLE, *columns: str) -> list[dict[str, Any]]:
    """The table's rows for these means that would come out the same today; all columns, or those named."""
    maker = made_by(means)
    if maker is None or not table.is_file():
        return []
    from pyarrow import parquet

    return parquet.read_table(table, columns=list(columns) or None, filters=[("made_by", "==", maker)]).to_pylist()


def read_table(table: Path = TABLE) -> list[KnownLatency]:
    """All rows, whatever made them; none of a table that is not there."""
    from pyarrow import parquet

    return msgspec.convert(parquet.read_table(table).to_pylist(), list[KnownLatency]) if table.is_file() else []


def taken_over(stale: Sequence[KnownLatency], anew: Sequence[KnownLatency], maker: str) -> list[KnownLatency]:
    """What stays of stale rows of which some, drawn at random, were made anew: these, and the others if all agree."""
    made = {row.network_id: row for row in anew}
    agree = all(row.agrees(made[row.network_id]) for row in stale if row.network_id in made)
    others = [row for row in stale if agree and row.network_id not in made]
    return [*anew, *(replace(row, made_by=maker, confirmed=len(anew)) for row in others)]


def write_table(rows: Iterable[KnownLatency], table: Path = TABLE) -> None:
    """Write the table anew."""
    import pyarrow
    from pyarrow import parquet

    content = pyarrow.Table.from_pylist([asdict(row) for row in rows])
    fill_atomically(table, lambda path: parquet.write_table(content, path, compression="zstd"))


@cache
def _sources(architecture: str) -> str:
    """A hash of what the sources say, and of the versions of packages, that make a prediction."""
    from blockfront import blocks, targets
    from blockfront.targets.compiler.kernel_cache import rules_sources
    from blockfront.targets.latency.profiler.native import harness_version, plugin_version

    folder = Path(targets.__file__).parent
    files = {path for part in _FOLDERS for path in (folder / part).rglob("*.py")} - {folder / name for name in _OTHERS}
    files |= {folder / name for name in _FILES} | {*rules_sources(), Path(blocks.__file__).with_name("deployment.py")}
    torch = version("torch").rpartition(".")[0]
    made_with = [torch, *(version(name) for name in ("apache-tvm", "timm"))]
    made_with += [plugin_version(architecture), harness_version()]
    return digest("\n".join([*made_with, *(plain_source(path.read_text("utf-8")) for path in sorted(files))]))
