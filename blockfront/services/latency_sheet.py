"""The sheet that somebody fills in with the latencies of handed-out networks: CSV, one row a network."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from blockfront.errors import UsageError, unknown, why_unreadable
from blockfront.plurals import counted

FAILED = "failed"
"""What stands in place of a latency where a tool cannot take a network."""

MILLISECONDS = {"ms": 1.0, "us": 1e-3, "µs": 1e-3, "s": 1e3}
_LATENCY = re.compile(r"latency(?:[ _]?\(?(\S+?)\)?)?")
_FAR = 100.0
"""How many times more or less a latency of another unit is, at least, than the others and its MACs make likely."""


def write_sheet(rows: Sequence[tuple[str, str]]) -> str:
    """An empty sheet for networks, each an id and a file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["network_id", "file", "latency_ms"])
    writer.writerows([*row, ""] for row in rows)
    return text.getvalue()


def read_sheet(path: Path, unit: str | None, known: Sequence[str]) -> dict[str, float | None]:
    """Network id to milliseconds, None where the tool failed.

    Separated by commas, semicolons (decimals may have commas then) or tabs. The unit is in the header, `latency_us`, or
    is `unit` where that says `latency` alone. Raises UsageError, naming lines and networks, for any row that is not the
    one latency of one of the `known` networks, and for networks without a row.
    """
    header, rows, decimal_commas = _table(path)
    where, factor = _latency_column(path, header, unit)
    if "network_id" not in header:
        raise UsageError(f"{path} has no column network_id; it has {', '.join(header)}")
    found: dict[str, float | None] = {}
    for line, row in rows:
        network_id, text = row[header.index("network_id")].strip(), row[where].strip()
        if network_id not in known:
            raise unknown("network", network_id, known, within=f"line {line}: {path.parent} has", otherwise=_LEAVE)
        if network_id in found:
            raise UsageError(f"line {line}: network {network_id} has two rows; leave one, with the median of its times")
        found[network_id] = _milliseconds(line, network_id, text, factor, decimal_commas)
    missing = [network_id for network_id in known if network_id not in found]
    if missing:
        raise UsageError(f"{_some(missing)}: no row; put back the rows, with {FAILED} where the tool cannot take one")
    if all(latency is None for latency in found.values()):
        raise UsageError(f"{path} has no latency")
    return found


def check_units(latencies: Mapping[str, float], macs: Mapping[str, int]) -> None:
    """Raise UsageError for latencies that look as if some are in another unit than the others.

    One that is 100 times more, or less, than the median of all and than its MACs let expect: units differ by 1000, and
    what differs by so much otherwise differs in MACs too.
    """
    middle, rate = median(latencies.values()), median(ms / macs[network_id] for network_id, ms in latencies.items())
    far = []
    for network_id, ms in latencies.items():
        factors = ms / middle, ms / (macs[network_id] * rate)
        if min(factors) > _FAR or max(factors) < 1 / _FAR:
            far.append(network_id)
    if far:
        raise UsageError(
            f"{_some(far)}: over {_FAR:g} times off what the others and the MACs let expect, as in another unit; "
            "correct them, or pass --as-given if they are right"
        )


_LEAVE = "leave the row out"


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]], bool]:
    """The header in small letters, the rows that are not empty with their lines, and whether commas are decimal."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {why_unreadable(error)}") from error
    if not lines:
        raise UsageError(f"{path} is empty")
    separator = max(",;\t", key=lines[0].count)
    header = [cell.strip().lower() for cell in next(csv.reader(lines[:1], delimiter=separator))]
    rows = []
    for line, row in enumerate(csv.reader(lines[1:], delimiter=separator), 2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise UsageError(f"line {line} of {path} has {counted(len(row), 'cell')}, the header {len(header)}")
        rows.append((line, row))
    return header, rows, separator != ","


def _latency_column(path: Path, header: Sequence[str], unit: str | None) -> tuple[int, float]:
    """Where the latencies stand, and how many milliseconds one of their unit is."""
    units = {place: found[1] for place, name in enumerate(header) if (found := _LATENCY.fullmatch(name))}
    if len(units) != 1:
        raise UsageError(f"{path} needs one column latency_ms, latency_us or latency_s; it has {', '.join(header)}")
    ((place, stated),) = units.items()
    if stated and unit and stated != unit:
        raise UsageError(f"{path} has its latencies in {stated}, and --unit says {unit}")
    named = stated or unit
    if named is None:
        raise UsageError(f"{path} does not say the unit of its latencies: write latency_ms, or pass --unit")
    if named not in MILLISECONDS:
        raise UsageError(f"unit {named!r} is none of {', '.join(MILLISECONDS)}")
    return place, MILLISECONDS[named]


def _milliseconds(line: int, network_id: str, text: str, factor: float, decimal_commas: bool) -> float | None:
    if text.lower() == FAILED:
        return None
    if not text:
        raise UsageError(f"line {line}: network {network_id} has no latency; write {FAILED} if the tool cannot take it")
    try:
        value = float(text.replace(",", ".") if decimal_commas else text)
    except ValueError:
        raise UsageError(
            f"line {line}: {text!r} is no number; digits are not grouped, and the unit stands in the header alone"
        ) from None
    if not 0 < value < math.inf:
        raise UsageError(f"line {line}: a latency is a number above 0, not {text}")
    return value * factor


def _some(networks: Sequence[str]) -> str:
    more = f" and {len(networks) - 3} more" if len(networks) > 3 else ""
    return f"network{'s' if len(networks) > 1 else ''} {', '.join(networks[:3])}{more}"
