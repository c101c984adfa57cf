"""Accuracies from elsewhere for networks that are known by name: published ones, or those of the user's file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from blockfront.design_space.file_reference import file_of, is_same_file
from blockfront.design_space.known import KnownNetwork
from blockfront.design_space.models import OF_TIMM
from blockfront.design_space.network import Network
from blockfront.design_space.published import ORIGIN, default_checkpoint, published, published_sizes
from blockfront.errors import UsageError
from blockfront.results import Score, Training
from blockfront.services.sheet import Sheet, load_sheet, read_number
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
    network's as `bench rank` prints it, one of timm's without the tag too, a file's with or without its folders, its
    text in any form, or its id.
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
    listed = list(networks)
    found: dict[str, Training] = {}
    used: set[str] = set()
    by_file = _rows_by_file(listed, rows, file)
    for network in listed:
        names = [name for name in _names(network) if name in rows] or by_file.get(_called(network), [])
        if len(names) > 1:
            raise UsageError(f"{file} has several rows for one network: {', '.join(names)}; leave all but one out")
        for name in names:
            used.add(name)
            scores = {TASKS[network.purpose].value: Score(rows[name])}
            found[network.id] = Training(scores, None, (), file, "", 0, "file", 0.0, 0, checkpoint=name)
    unused = [name for name in rows if name not in used]
    note = f"rows of {file} that name none of these networks: {len(unused)} of {len(rows)} ({', '.join(unused[:3])})"
    return Given(found, f"file {file}", (note,) if unused else ())


def _rows_by_file(networks: Iterable[Network], rows: Mapping[str, float], file: str) -> dict[str, list[str]]:
    """Names of the rows that write the name of a network's file with other folders, by that name.

    Raises UsageError for a row that fits several files.
    """
    names = {network.name for network in networks if isinstance(network, KnownNetwork)}
    found: dict[str, list[str]] = {}
    for row in rows:
        fitting = [] if row in names else sorted(name for name in names if is_same_file(row, name))
        if len(fitting) > 1:
            raise UsageError(f"{row} of {file} fits {' and '.join(fitting)}: write its folders too")
        for name in fitting:
            found.setdefault(name, []).append(row)
    return found


def _names(network: Network) -> Iterator[str]:
    """Names that a row may have for a network; of timm's alone what follows a dot is a tag."""
    yield from (network.id, str(network))
    if isinstance(network, KnownNetwork):
        yield network.name
        architecture = network.name.partition(".")[0]
        if file_of(network.name) is None and architecture != network.name:
            yield architecture


def _called(network: Network) -> str:
    """What a reader knows a network by: the name that it was given by, but for a default tag of timm's."""
    if not isinstance(network, KnownNetwork):
        return str(network)
    architecture = network.name.partition(".")[0]
    return architecture if default_checkpoint(architecture) == network.name else network.name


def _read(file: Path) -> tuple[str, dict[str, float]]:
    """The column that has the accuracies, and these as shares, by name."""
    if not file.is_file():
        raise UsageError(f"--accuracy {file}: there is no such file; give {PUBLISHED}, {NONE} or a CSV file")
    sheet = load_sheet(file)
    values = (_ACCURACY, *(task.value for task in TASKS.values()))
    (name, key_place), (value, value_place) = _column(sheet, _NAMES), _column(sheet, values)
    rows: dict[str, float] = {}
    for line, row in sheet.rows:
        key, where = _as_printed(row[key_place]), f"{file}, line {line}"
        if not key or key in rows:
            raise UsageError(f"{where}: " + (f"{key} has a row already" if key else f"no {name}"))
        rows[key] = _number(row[value_place], where, value)
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
    """A name as networks have it: timm's without what the Hub has before it, of a network's text that with what it
    leaves out."""
    plain = OF_TIMM.sub("", name) if file_of(name) is None else name
    try:
        return str(Network.parse(plain)) if "/" in plain else plain
    except UsageError:
        return plain


def _column(sheet: Sheet, names: tuple[str, ...]) -> tuple[str, int]:
    """The one of some columns that a sheet has, and its place; columns without a cell are no others."""
    places = {name: place for name in names if (place := sheet.place(name)) is not None}
    if not places:
        raise UsageError(
            f"{sheet.path} has no column {' or '.join(names)}; its first line is: {', '.join(sheet.header)}"
        )
    filled = [name for name, place in places.items() if any(row[place] for _, row in sheet.rows)]
    if len(filled) > 1:
        raise UsageError(f"{sheet.path} has {' and '.join(filled)}: leave all but one of these columns out")
    return next((name, places[name]) for name in filled or places)


def _number(text: str, where: str, column: str) -> float:
    try:
        value = read_number(text.removesuffix("%").rstrip())
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        raise UsageError(f"{where}: {column} is {text!r}, which is no share and no percentage")
    return value
