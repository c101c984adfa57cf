"""Published latencies: a table of other people's measurements, with the minimum where one is given."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from blockfront.errors import UsageError, why_unreadable

OWN = Path(__file__).with_name("published_latency.csv")
"""Times of ncnn's benchmark on boards whose code can run under emulation, from ncnn's own tables (see `source`)."""
COLUMNS = ("device", "chip", "cores_threads", "framework", "precision", "model", "input", "latency_ms", "source")
_MINIMUM = re.compile(r"\bmin ([\d.]+)")


@dataclass(frozen=True)
class Published:
    """One published time in milliseconds; the minimum over the loops where the source names one."""

    device: str
    chip: str
    cores_threads: str
    framework: str
    precision: str
    model: str
    milliseconds: float


def read_published(path: Path) -> list[Published]:
    """The rows of a CSV file with `COLUMNS`; raises `UsageError` when it is none, or a time in it is no time."""
    found = []
    for row, milliseconds in read_times(path, COLUMNS):
        device, chip, cores_threads, framework, precision, model = (row[name] for name in COLUMNS[:6])
        found.append(Published(device, chip, cores_threads, framework, precision, model, milliseconds))
    return found


def read_times(path: Path, columns: Sequence[str]) -> list[tuple[dict[str, str], float]]:
    """The rows of a CSV file that has these columns, `latency_ms` and `source` among them, with milliseconds.

    Raises `UsageError` when it is no such file, or a time in it is no time.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise UsageError(f"{path} is no table of published latencies: it lacks {', '.join(missing)}")
            return [(row, _milliseconds(path, reader.line_num, row)) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read: {why_unreadable(error)}") from error


def _milliseconds(path: Path, line: int, row: dict[str, str]) -> float:
    # Means of few loops have spikes: another program's work, not the network's.
    minimum = _MINIMUM.search(row["source"] or "")
    text = minimum.group(1) if minimum else row["latency_ms"]
    try:
        milliseconds = float(text)
    except (TypeError, ValueError):
        milliseconds = math.nan
    if not (math.isfinite(milliseconds) and milliseconds > 0):
        raise UsageError(f"{path}, line {line}: {text!r} is no latency in milliseconds")
    return milliseconds
