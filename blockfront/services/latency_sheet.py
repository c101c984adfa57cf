"""The sheet that somebody fills in with the latencies of handed-out networks: CSV, one row a network."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from blockfront.errors import UsageError, unknown
from blockfront.plurals import counted
from blockfront.services.network_rows import identify
from blockfront.services.sheet import Sheet, is_number, read_number

FAILED = "failed"
"""What stands in place of a latency where a tool cannot take a network."""

MILLISECONDS = {"ms": 1.0, "us": 1e-3, "µs": 1e-3, "\N{GREEK SMALL LETTER MU}s": 1e-3, "s": 1e3}
_UNITS = "ms, us, µs, s"
_LATENCY = re.compile(r"latency(?:(?: in |[ _/])?[(\[]?([^\s()\[\]]+)[)\]]?)?")
_FAR = 100.0
"""How many times more or less a latency of another unit is, at least, than the others and its MACs make likely."""


@dataclass(frozen=True)
class Filled:
    """Milliseconds by network id, None where the tool failed, and what a reader is to be told of the rows, in lines."""

    latencies: dict[str, float | None]
    notes: tuple[str, ...] = ()


def write_sheet(rows: Sequence[tuple[str, str]]) -> str:
    """An empty sheet for networks, each an id and a file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["network_id", "file", "latency_ms"])
    writer.writerows([*row, ""] for row in rows)
    return text.getvalue()


def read_latencies(sheet: Sheet, unit: str | None, known: Mapping[str, str]) -> Filled:
    """The latencies of a filled sheet, which must be those of the `known` networks, their files by their ids.

    The unit is in the header, `latency_us`, or is `unit` where that says `latency` alone. Rows whose id is not what it
    was are known by their file, or by the number that a spreadsheet made of the id, and told. Raises UsageError, naming
    lines and networks, for any row that is not the one latency of one of the networks, for networks without a row, and
    for numbers that say two things (`Sheet.require_decimals`).
    """
    where, factor = _latency_column(sheet, unit)
    ids, files = sheet.place("network_id"), sheet.place("file")
    if ids is None and files is None:
        raise UsageError(f"{sheet.path} has no column network_id; it has {', '.join(sheet.header)}")
    sheet.require_decimals(where)
    found: dict[str, float | None] = {}
    changed: list[str] = []
    for line, row in sheet.rows:
        text, file = (None if place is None else row[place] for place in (ids, files))
        network_id = identify(text, file, known, line)
        if network_id is None:
            raise _unidentified(sheet, line, text if text is not None else file or "", known)
        if network_id in found:
            raise UsageError(f"line {line}: network {network_id} has two rows; leave one, with the median of its times")
        if text not in (None, network_id):
            changed.append(f"{text or 'nothing'} in line {line} is {network_id}")
        found[network_id] = _milliseconds(line, network_id, row[where], factor)
    missing = [network_id for network_id in known if network_id not in found]
    if missing:
        raise UsageError(f"{_some(missing)}: no row; put back the rows, with {FAILED} where the tool cannot take one")
    if all(latency is None for latency in found.values()):
        raise UsageError(f"{sheet.path} has no latency")
    return Filled(found, (_changed_ids(changed),) if changed else ())


def check_units(latencies: Mapping[str, float], macs: Mapping[str, int]) -> None:
    """Raise UsageError for latencies that look as if some are in another unit than the others.

    One that is 100 times more, or less, than the median of all and than its MACs let expect: units differ by 1000, and
    what differs by so much otherwise differs in MACs too. Networks without MACs are expected to take no time.
    """
    middle = median(latencies.values())
    rate = median([ms / macs[network_id] for network_id, ms in latencies.items() if macs[network_id]] or [0.0])
    far = []
    for network_id, ms in latencies.items():
        expected = macs[network_id] * rate
        factors = ms / middle, ms / expected if expected else math.inf
        if min(factors) > _FAR or max(factors) < 1 / _FAR:
            far.append(network_id)
    if far:
        raise UsageError(
            f"{_some(far)}: over {_FAR:g} times off what the others and the MACs let expect, as in another unit; "
            "correct them, or pass --as-given if they are right"
        )


def _latency_column(sheet: Sheet, unit: str | None) -> tuple[int, float]:
    """Where the latencies stand, and how many milliseconds one of their unit is.

    One that names its unit is it, or else one that is called `latency`: others that begin so are further ones.
    """
    stated = {name: found[1] for name in sheet.header if (found := _LATENCY.fullmatch(name))}
    names = [name for name, of in stated.items() if of in MILLISECONDS]
    names = names or [name for name in stated if name == "latency"] or list(stated)
    if len(names) != 1:
        raise UsageError(
            f"{sheet.path} needs one column latency_ms, latency_us or latency_s; it has {', '.join(sheet.header)}"
        )
    place, named = sheet.place(names[0]), stated[names[0]] or unit
    assert place is not None
    if named is None:
        raise UsageError(f"{sheet.path} does not say the unit of its latencies: write latency_ms, or pass --unit")
    for one in (named, unit or named):
        if one not in MILLISECONDS:
            raise UsageError(f"unit {one!r} is none of {_UNITS}")
    if unit and MILLISECONDS[unit] != MILLISECONDS[named]:
        raise UsageError(f"{sheet.path} has its latencies in {named}, and --unit says {unit}")
    return place, MILLISECONDS[named]


def _unidentified(sheet: Sheet, line: int, text: str, known: Mapping[str, str]) -> UsageError:
    if is_number(text) and not (text.isdecimal() and len(text) in map(len, known)):
        return UsageError(
            f"line {line}: {text} is no id of a network, but what a spreadsheet makes of one that looks like a number: "
            "take the column network_id in as text, or keep the column file"
        )
    within = f"line {line}: {sheet.path.parent} has"
    return unknown("network", text, known, within=within, otherwise="leave the row out")


def _milliseconds(line: int, network_id: str, text: str, factor: float) -> float | None:
    if text.lower() == FAILED:
        return None
    if not text:
        raise UsageError(f"line {line}: network {network_id} has no latency; write {FAILED} if the tool cannot take it")
    try:
        value = read_number(text)
    except ValueError:
        raise UsageError(
            f"line {line}: {text!r} is no number; digits are not grouped, and the unit stands in the header alone"
        ) from None
    if not 0 < value < math.inf:
        raise UsageError(f"line {line}: a latency is a number above 0, not {text}")
    return value * factor


def _changed_ids(changed: Sequence[str]) -> str:
    more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    return f"{counted(len(changed), 'changed network_id')} understood: {', '.join(changed[:3])}{more}"


def _some(networks: Sequence[str]) -> str:
    more = f" and {len(networks) - 3} more" if len(networks) > 3 else ""
    return f"network{'s' if len(networks) > 1 else ''} {', '.join(networks[:3])}{more}"
