"""Studies in an SQLite file: which file an option names, and what is in that file alone, without its log."""

from __future__ import annotations

import os
import re
import sqlite3
import unicodedata
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockfront.errors import UsageError

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

_URL = re.compile(r"sqlite(\+\w+)?:///(?P<path>.*)", re.DOTALL)
_BUSY_SECONDS = 30
_CONNECT_SECONDS = 5
_LONGEST_BESIDE = "-journal"
_CONTROL, _SURROGATE = "Cc", "Cs"


def sqlite_path(storage: str) -> Path | None:
    """The file that a storage option names, letter by letter; None for the URL of a server.

    Raises UsageError for what names no file, or none that can be said in one line.
    """
    if {_CONTROL, _SURROGATE} & {unicodedata.category(letter) for letter in storage}:
        raise UsageError(f"cannot open storage {storage!r}: its name has control characters, or is not UTF-8")
    url = _URL.fullmatch(storage)
    if url is None and "://" in storage and not re.match(r"sqlite\W", storage):
        return None
    text = url["path"] if url else storage
    if text in ("", ":memory:") or (url is None and "://" in storage):
        raise UsageError("a storage in memory is lost at the end; name a file: --storage results.db")
    if url and "?" in text:
        raise UsageError(f"cannot open storage {storage}: an SQLite file takes no options; name it by its path alone")
    path = Path(text)
    if not os.path.isdir(path.parent):
        raise UsageError(f"cannot open storage {path}: there is no folder {path.parent}")
    if len(os.fsencode(path.name + _LONGEST_BESIDE)) > os.pathconf(path.parent, "PC_NAME_MAX"):
        raise UsageError(f"cannot open storage {path}: its name is too long for the files that SQLite keeps beside it")
    if text.endswith("/") or (path.exists() and not path.is_file()):
        raise UsageError(f"cannot open storage {path}: it is not a file")
    return path


def sqlite_url(path: str) -> str:
    """The URL that names the file of a path, or the path where no URL does."""
    return path if "?" in path else f"sqlite:///{path}"


def check_file(path: Path, create: bool) -> None:
    """Check the file, and let readers read while a sweep writes (write-ahead log, where it is possible)."""
    if create:
        with closing(_connect(path, _CONNECT_SECONDS)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    elif not path.exists():
        raise UsageError(f"there is no storage {path}; make one with bench sample, or name another with --storage")
    elif not has_tables(path):
        # Opening it would make the tables, under the hands of a sweep that is making them.
        raise UsageError(f"storage {path} holds no study yet; make one with: bench sample")


def exists(path: Path) -> bool:
    """Whether studies may be in the file; raises UsageError for one that cannot be read or made."""
    if not path.exists():
        if not os.access(path.parent, os.W_OK):
            raise UsageError(f"cannot open storage {path}: no permission to write in {path.parent}")
        return False
    try:
        return has_tables(path)
    except sqlite3.Error as error:
        raise UsageError(f"cannot open storage {path}: {error}") from error


def has_tables(path: Path) -> bool:
    """Whether all tables of studies are in the file."""
    with closing(_connect(path, _BUSY_SECONDS)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        complete = {"studies", "trials", "alembic_version"} <= names
        return complete and connection.execute("SELECT count(*) FROM alembic_version").fetchone() != (0,)


def engine_options(path: Path) -> dict[str, Any]:
    """What SQLAlchemy takes to connect to exactly this file: in a URL some of its letters would mean something."""
    absolute = path.absolute()
    return {"creator": lambda: _connect(absolute, _BUSY_SECONDS)}


def checkpoint(storage: RDBStorage) -> None:
    """Bring the file up to date with its write-ahead log, so that a copy of it alone has all that was written.

    What a reader still looks at waits for the next time. Nothing for a server.
    """
    if storage.engine.dialect.name == "sqlite":
        with storage.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")


def _connect(path: Path, seconds: float) -> sqlite3.Connection:
    # An absolute path is never taken for a URI or for memory. SQLAlchemy hands connections from thread to thread.
    return sqlite3.connect(path.absolute(), timeout=seconds, check_same_thread=False)
