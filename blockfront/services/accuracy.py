"""Accuracies from elsewhere for networks that are known by name: published ones, or those of the user's file."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from blockfront.design_space.known import KnownNetwork
from blockfront.design_space.network import Network
from blockfront.design_space.published import ORIGIN, published, published_sizes
from blockfront.errors import UsageError, why_unreadable
from blockfront.results import Score, Training
from blockfront.signature import Signature
from blockfront.tasks import TASKS

PUBLISHED = "imagenet"
NONE = "none"
_NAMES, _ACCURACY = ("name", "model", "network"), "accuracy"


@dataclass(frozen=True)
class Given:
    """Accuracies by the networks' ids, all of one `origin`, and what a reader is to be told of them, in lines."""

    trainings: Mapping[str, Training]
    origin: str = ""
    notes: tuple[str, ...] = ()


class Accuracies:
    """Where accuracies come from: `imagenet` (published results of timm's), a CSV file, or `none`.

    The file has a row a network: a column `name` (or `model`) and a column `accuracy`, or one that is called as the
    value of the networks' task, such as `top1`, `ap` or `miou`; all are shares or all in per cent. A name is a
    network's as `bench rank` prints it, with or without the tag, its text in any form, or its id.
    Raises UsageError, before anything else is done, for a file that is missing or has a row that cannot be read.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._column, self._rows = "", None
        if source not in (PUBLISHED, NONE):
            self._column, self._rows = _read(Path(source).expanduser())

    def of(self, networks: Iterable[Network]) -> Given:
        """The accuracies of these networks."""
        listed = list(networks)
        if self.source == NONE:
            return Given({})
        return _published(listed) if self._rows is None else _from_file(listed, self._rows, Path(self.source).name)

    def value_of(self, networks: Iterable[Network]) -> str:
        """The metric that these networks have accuracies of, their task's value.

        Raises UsageError for networks of several tasks, unless no accuracy is asked for, and where the source is a file
        that names none of them, or whose column is the value of another task.
        """
        listed = list(networks)
        examples = {network.purpose: network for network in reversed(listed)}
        if len(examples) > 1 and self.source != NONE:
            each = ", ".join(f"{_called(network)} for {task}" for task, network in examples.items())
            raise UsageError(
                f"no accuracy compares networks for several tasks ({each}): name those of one, or give --accuracy "
                f"{NONE} and the fastest comes first"
            )
        value = TASKS[next(iter(examples))].value
        self._require_some(listed, value)
        return value

    def _require_some(self, listed: list[Network], value: str) -> None:
        if self._rows is None:
            return
        if self._column not in (_ACCURACY, value):
            raise UsageError(
                f"--accuracy {self.source} has {self._column}, and {_called(listed[0])} is for {listed[0].purpose}, "
                f"which is compared by {value}"
            )
        if self.of(listed).trainings:
            return
        rows, names = list(self._rows), [_called(network) for network in listed]
        raise UsageError(
            f"--accuracy {self.source} names none of these networks: it has {', '.join(rows[:3])}, and they are "
            f"{', '.join(names[:3])}"
        )


def _published(networks: Iterable[Network]) -> Given:
    found: dict[str, Training] = {}
    other: list[str] = []
    for network in networks:
        if not isinstance(network, KnownNetwork) or not (sizes := published_sizes(network.name)):
            continue
        size = next((size for size in sizes if network.size == str(Signature.image(size))), None)
        if size is None:
            other.append(f"{network.name} at {' and '.join(map(str, sizes))} pixels")
        else:
            found[network.id] = published(network.name, size)
    note = f"no accuracy at this image size; published: {', '.join(other)}"
    return Given(found, ORIGIN, (note,) if other else ())


def _from_file(networks: Iterable[Network], rows: Mapping[str, float], file: str) -> Given:
    found: dict[str, Training] = {}
    used: set[str] = set()
    for network in networks:
        names = [name for name in _names(network) if name in rows]
        if len(names) > 1:
            raise UsageError(f"{file} has several rows for one network: {', '.join(names)}; leave all but one out")
        for name in names:
            used.add(name)
            scores = {TASKS[network.purpose].value: Score(rows[name])}
            found[network.id] = Training(scores, None, (), file, "", 0, "file", 0.0, 0, checkpoint=name)
    unused = [name for name in rows if name not in used]
    note = f"rows of {file} that name none of these networks: {len(unused)} of {len(rows)} ({', '.join(unused[:3])})"
    return Given(found, f"file {file}", (note,) if unused else ())


def _names(network: Network) -> Iterator[str]:
    yield from (network.id, str(network))
    if isinstance(network, KnownNetwork):
        yield from dict.fromkeys((network.name, network.name.partition(".")[0]))


def _called(network: Network) -> str:
    """What a reader knows a network by."""
    return list(_names(network))[-1]


def _read(file: Path) -> tuple[str, dict[str, float]]:
    """The column that has the accuracies, and these as shares, by name."""
    if not file.is_file():
        raise UsageError(f"--accuracy {file}: there is no such file; give {PUBLISHED}, {NONE} or a CSV file")
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            header = [column.strip() for column in reader.fieldnames or ()]
            reader.fieldnames = header
            values = (_ACCURACY, *(task.value for task in TASKS.values()))
            name, value = _column(file, header, _NAMES), _column(file, header, values)
            rows: dict[str, float] = {}
            for row in reader:
                key = _as_printed((row[name] or "").strip())
                where = f"{file}, line {reader.line_num}"
                if not key or key in rows:
                    raise UsageError(f"{where}: " + (f"{key} has a row already" if key else f"no {name}"))
                rows[key] = _number(row[value], where, value)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"cannot read {file}: {why_unreadable(error)}") from error
    if not rows:
        raise UsageError(f"{file} has no rows")
    percent = any(accuracy > 1 for accuracy in rows.values())
    shares = [key for key, accuracy in rows.items() if 0 < accuracy <= 1]
    if percent and shares:
        raise UsageError(
            f"{file} has values above 1 and others not, such as {rows[shares[0]]:g} of {shares[0]}: "
            "give all as shares or all in per cent"
        )
    return value, {key: accuracy / 100 if percent else accuracy for key, accuracy in rows.items()}


def _as_printed(name: str) -> str:
    """A name as networks have it: of one that is a network's text, that with what it leaves out."""
    try:
        return str(Network.parse(name)) if "/" in name else name
    except UsageError:
        return name


def _column(file: Path, header: list[str], names: tuple[str, ...]) -> str:
    found = [name for name in names if name in header]
    if not found:
        raise UsageError(
            f"{file} has no column {' or '.join(names)}; its first line is: {', '.join(header) or 'empty'}"
        )
    return found[0]


def _number(text: str | None, where: str, column: str) -> float:
    try:
        value = float((text or "").strip().removesuffix("%"))
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        raise UsageError(f"{where}: {column} is {text!r}, which is no share and no percentage")
    return value
