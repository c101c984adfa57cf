"""Predicted latencies of known networks that come with the package, used while nothing they follow from has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from blockfront.digest import digest
from blockfront.files import fill_atomically
from blockfront.results import Cost, Latency
from blockfront.results.trial import write_part

if TYPE_CHECKING:
    from blockfront.study.journal import Entry, Journal
    from blockfront.targets import Means

TABLE = Path(__file__).with_name("known_latencies.parquet")
"""Rows of (network_id, network, target, threads, latency_ms, macs, made_by, parts), made by benchmarks/shipped.py."""
_SOURCES = ("compiler", "latency/profiler", "latency/prediction")


class _Parts(msgspec.Struct, frozen=True):
    """What a row has of a result."""

    cost: Cost
    latency: Latency


def made_by(means: Means) -> str | None:
    """A hash of all that a prediction follows from but its network; None of what is not predicted from code, untuned.

    It covers the sources that compile, emulate and predict, the versions of TVM, torch (without its last part) and
    timm, the model of the core, the figures of the target, threads and number format.
    """
    options, prediction = means.options, means.prediction
    if means.meter.name != "emulated" or prediction is None or options.tuned is not None:
        return None
    figures = {name: value for name, value in options.target.definition().items() if name != "sources"}
    parts = [_sources(), prediction.model, figures, options.threads, options.precision]
    return digest(msgspec.json.encode(parts, order="deterministic"), 16)


def quote_latencies(means: Means, journal: Journal, entries: Sequence[Entry], table: Path = TABLE) -> list[Entry]:
    """Record the table's latencies of the entries that lack one and tell their trials; gives all other entries."""
    rows = _rows(table, made_by(means))
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


def shipped_row(network: Mapping[str, Any], cost: Cost, latency: Latency, maker: str) -> dict[str, Any]:
    """A row of the table: of a network as a trial keeps it, without the latency's kernels."""
    latency = replace(latency, kernels=(), conditions={"from": "a table that was made before"})
    return {
        "network_id": network["id"],
        "network": network["text"],
        "target": latency.target,
        "threads": latency.threads,
        "latency_ms": latency.median_ms,
        "macs": cost.macs,
        "made_by": maker,
        "parts": msgspec.json.encode(write_part(_Parts(cost, latency))).decode(),
    }


def write_table(rows: Sequence[Mapping[str, Any]], table: Path = TABLE) -> None:
    """Write the table anew."""
    import pyarrow
    from pyarrow import parquet

    content = pyarrow.Table.from_pylist(list(rows))
    fill_atomically(table, lambda path: parquet.write_table(content, path, compression="zstd"))


def _rows(table: Path, maker: str | None) -> dict[str, str]:
    """Network id to the parts of its row, of the rows that would come out the same today."""
    if maker is None or not table.is_file():
        return {}
    from pyarrow import parquet

    found = parquet.read_table(table, columns=["network_id", "parts"], filters=[("made_by", "==", maker)])
    return dict(zip(found["network_id"].to_pylist(), found["parts"].to_pylist(), strict=True))


@cache
def _sources() -> str:
    """A hash of the sources and of the versions of packages that make a prediction."""
    from blockfront import blocks, targets

    folder = Path(targets.__file__).parent
    files = [path for part in _SOURCES for path in sorted((folder / part).rglob("*")) if path.suffix in _KINDS]
    files += [folder / "latency/meters/emulated.py", Path(blocks.__file__).with_name("deployment.py")]
    torch = version("torch").rpartition(".")[0]
    versions = [torch, *(version(name) for name in ("apache-tvm", "timm"))]
    return digest("".join([*versions, *(digest(path.read_bytes()) for path in files)]))


_KINDS = (".py", ".c", ".h", ".json")
