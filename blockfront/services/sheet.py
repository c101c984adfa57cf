"""Tables that people fill in: CSV as spreadsheets of several languages and programs write it."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from blockfront.errors import UsageError, why_unreadable
from blockfront.plurals import counted

_AS_CSV = "save the sheet as CSV UTF-8"
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How files of spreadsheets begin: .xlsx and .ods, .xls."""

_SEPARATORS = ",;\t"
_STATED_SEPARATOR = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:e[+-]?\d+)?|nan|inf)", re.ASCII | re.IGNORECASE)
_PERHAPS_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)


@dataclass(frozen=True)
class Sheet:
    """What a file says: names of columns in small letters, and rows that are not empty, each with the line it begins in
    and as many cells as the header, without white space around them."""

    path: Path
    separator: str
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]

    def place(self, name: str) -> int | None:
        """Which column is called so, counted from 0; None without one. Raises UsageError for two."""
        if self.header.count(name) > 1:
            raise UsageError(f"{self.path} has {counted(self.header.count(name), 'column')} {name}; leave one")
        return self.header.index(name) if name in self.header else None

    def require_decimals(self, place: int) -> None:
        """Raise UsageError where points or commas in a column's numbers may group thousands as well: one to three
        digits stand before each and three after it.

        Points are decimal in a sheet with commas between cells where every number has one, as programs write them.
        """
        numbers = [(line, row[place]) for line, row in self.rows if _NUMBER.fullmatch(row[place])]
        for mark, called in ((",", "comma"), (".", "point")):
            marked = [(line, text) for line, text in numbers if mark in text]
            if mark == "." and self.separator == "," and len(marked) == len(numbers):
                continue
            if marked and all(_PERHAPS_GROUPED.fullmatch(text) for _, text in marked):
                line, text = marked[0]
                raise UsageError(
                    f"line {line}: {text} may mean {read_number(text):g} or {text.replace(mark, '')}, as every number "
                    f"of {self.header[place]} with a {called} has three digits after it; write them without grouping, "
                    f"or with another number of decimals, as {text}0"
                )


def read_number(text: str) -> float:
    """A number with a decimal point or comma, or with none; raises ValueError for anything else, as grouped digits."""
    if not is_number(text):
        raise ValueError(text)
    return float(text.replace(",", "."))


def is_number(text: str) -> bool:
    """Whether `read_number` takes it."""
    return _NUMBER.fullmatch(text) is not None


def load_sheet(path: Path) -> Sheet:
    """Read a CSV file: UTF-8, or UTF-16 that says so, with commas, semicolons or tabs between cells.

    The separator is that of the header, or what a first line like `sep=;` states; empty lines are left out. Raises
    UsageError, with the line, for rows of other lengths than the header and quotes that are not closed, and for files
    that are missing, empty or no such text.
    """
    lines = io.StringIO(_text(path), newline="").readlines()
    start = _first_filled(path, lines, 0)
    stated = _STATED_SEPARATOR.fullmatch(lines[start].strip("\r\n"))
    if stated:
        start = _first_filled(path, lines, start + 1)
    separator = stated[1] if stated else max(_SEPARATORS, key=lambda one: _count_cells(lines[start], one))
    (_, header), *rows = _rows(path, lines, start, separator)
    for line, cells in rows:
        if any(re.search(r"[\r\n]", cell) and cell.count(separator) >= len(header) - 1 > 0 for cell in cells):
            raise UsageError(_unclosed(path, line))
        if len(cells) != len(header):
            commas = separator == "," and len(cells) > len(header) > 1
            quoted = "; put quotes around a cell with a comma" if commas else ""
            raise UsageError(
                f"line {line} of {path} has {counted(len(cells), 'cell')}, the header {len(header)}{quoted}"
            )
    stripped = tuple((line, tuple(cell.strip() for cell in cells)) for line, cells in rows)
    return Sheet(path, separator, tuple(" ".join(cell.lower().split()) for cell in header), stripped)


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder; give the CSV file in it") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {why_unreadable(error)}") from error
    if content.startswith(_WORKBOOKS):
        raise UsageError(f"{path} is a workbook of a spreadsheet; {_AS_CSV}")
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"cannot read {path}: it is no UTF-8 text; {_AS_CSV}") from None
    if "\0" in text:
        raise UsageError(f"cannot read {path}: it has characters of no text; {_AS_CSV}")
    return text


def _first_filled(path: Path, lines: Sequence[str], start: int) -> int:
    for place, line in enumerate(lines[start:], start):
        if line.strip(f' "\r\n{_SEPARATORS}'):
            return place
    raise UsageError(f"{path} is empty")


def _count_cells(line: str, separator: str) -> int:
    return len(next(csv.reader([line], delimiter=separator, skipinitialspace=True)))


def _rows(path: Path, lines: Sequence[str], start: int, separator: str) -> list[tuple[int, list[str]]]:
    """Rows that are not empty, the header first, with their lines, counted from 1."""
    reader = csv.reader(lines[start:], delimiter=separator, skipinitialspace=True, strict=True)
    found = []
    line = start + 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found.append((line, cells))
            line = start + 1 + reader.line_num
    except csv.Error as error:
        raise UsageError(_unclosed(path, line)) from error
    return found


def _unclosed(path: Path, line: int) -> str:
    return f'line {line} of {path}: a cell begins with a quote (") and does not end with one; close it or take it out'
