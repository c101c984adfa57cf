"""Optuna storages: opening them, finding studies in them, reading studies as tables."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from blockfront.errors import RunError, UsageError, unknown
from blockfront.study import sqlite_file

if TYPE_CHECKING:
    import pandas as pd
    from optuna.storages import RDBStorage
    from optuna.study import Study
    from sqlalchemy import URL

    from blockfront.study.settings import Settings

DEFAULT_STORAGE = "sqlite:///bench.db"
_CONNECT_SECONDS = 5
_CONNECT_ATTEMPTS = 5


def open_storage(storage: str = DEFAULT_STORAGE, *, create: bool = False) -> RDBStorage:
    """Open an SQLAlchemy URL, or the path of an SQLite file.

    Without `create` a missing SQLite file is an error and is not made. Raises UsageError in seconds when the
    storage cannot be opened.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = sqlite_file.sqlite_path(storage)
    try:
        if path is None:
            options = {"connect_args": {"connect_timeout": _CONNECT_SECONDS}, "pool_pre_ping": True}
            return _connect(storage_url(storage).render_as_string(hide_password=False), options, create)
        sqlite_file.check_file(path, create)
        return _connect(DEFAULT_STORAGE, sqlite_file.engine_options(path), create)
    except UsageError:
        raise
    except ImportError as error:
        raise UsageError(
            f"cannot open storage {hide_password(storage)}: its driver is not installed ({error})"
        ) from error
    except (SQLAlchemyError, optuna.exceptions.OptunaError, sqlite3.Error, OSError, RuntimeError) as error:
        raise UsageError(f"cannot open storage {hide_password(storage)}: {_cause(error)}") from error


def _connect(url: str, options: dict[str, Any], create: bool) -> RDBStorage:
    """Optuna's storage; of two processes that make its tables at the same moment, one has to try again."""
    import optuna
    from sqlalchemy.exc import DatabaseError

    for attempt in range(_CONNECT_ATTEMPTS):
        try:
            return optuna.storages.RDBStorage(url, engine_kwargs=options)
        except DatabaseError as error:
            if not create or attempt + 1 == _CONNECT_ATTEMPTS or "already exists" not in str(error):
                raise
            time.sleep(0.5)
    raise AssertionError("unreachable")


def storage_url(storage: str) -> URL:
    """The URL of a server."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return make_url(storage)
    except (SQLAlchemyError, ValueError) as error:
        raise UsageError(f"cannot open storage {storage!r}: not a path or a URL like {DEFAULT_STORAGE}") from error


def hide_password(storage: str) -> str:
    """A storage as it may be printed and kept: without a password."""
    if "://" not in storage:
        return sqlite_file.sqlite_url(storage)
    return storage if storage.startswith("sqlite") else storage_url(storage).render_as_string(hide_password=True)


def storage_exists(storage: str) -> bool:
    """Whether opening the storage would find tables: in an SQLite file that is there, or on any server.

    Raises UsageError for an SQLite file that cannot be read or made.
    """
    path = sqlite_file.sqlite_path(storage)
    if path is None:
        storage_url(storage)
        return True
    return sqlite_file.exists(path)


def study_names(storage: RDBStorage) -> list[str]:
    """Names of all studies in a storage, sorted."""
    return sorted(study.study_name for study in storage.get_all_studies())


def open_study(storage: RDBStorage, name: str) -> Study:
    """A study of the storage; UsageError with near names when it has none of that name."""
    import optuna

    known = study_names(storage)
    if not known:
        raise UsageError("the storage holds no study yet; make one with: bench sample")
    if name not in known:
        raise unknown("study", name, known)
    return optuna.load_study(study_name=name, storage=storage)


def load(study: str | Sequence[str], storage: str = DEFAULT_STORAGE) -> pd.DataFrame:
    """One or several studies as a DataFrame, one row a network, columns as in `blockfront.results.COLUMNS`.

    Works on unfinished studies: what a network does not have yet is missing. Trials that others added to a study are
    left out, with a warning. Raises UsageError for a storage
    that does not open, an unknown study, and a study this suite did not make.
    """
    from blockfront.results.table import to_frame

    with opened(storage) as opened_storage:
        names = [study] if isinstance(study, str) else list(study)
        return to_frame(row for name in names for row in _rows(opened_storage, name))


def own_studies(storage: RDBStorage) -> list[str]:
    """Names of the studies that this suite made; a storage may hold others."""
    return sorted(s.study_name for s in storage.get_all_studies() if "settings" in s.user_attrs)


def list_studies(storage: str = DEFAULT_STORAGE) -> list[dict[str, object]]:
    """The studies this suite made: what each is of, and how many networks are in which state."""
    from blockfront.results.trial import state_of
    from blockfront.study.settings import read_settings
    from blockfront.study.trials import network_trials, warn_of_foreign

    listed: list[dict[str, object]] = []
    with opened(storage) as opened_storage:
        for name in own_studies(opened_storage):
            study = open_study(opened_storage, name)
            settings = read_settings(study)
            warn_of_foreign(study)
            states = Counter(state_of(trial) for trial in network_trials(study))
            listed.append(
                {
                    "study": name,
                    "space": settings.space,
                    "target": settings.target,
                    "dataset": settings.dataset,
                    "task": settings.task,
                    "objectives": ", ".join(settings.objectives),
                    "toolchain": settings.toolchain,
                    "precision": settings.precision,
                    "runner": settings.runner,
                    "seed": settings.seed,
                    "complete": states["complete"],
                    "rejected": states["rejected"],
                    "stopped": states["stopped"],
                    "failed": states["failed"],
                    "unfinished": states["running"] + states["waiting"],
                }
            )
    return listed


def load_provenance(studies: Sequence[str], storage: str = DEFAULT_STORAGE) -> dict[str, dict[str, object]]:
    """Study name to what it takes to repeat it: settings, and command, machine and versions of each run.

    Of accuracies that it was given, where they are from.
    """
    with opened(storage) as opened_storage:
        kept = {name: open_study(opened_storage, name).user_attrs for name in studies}
        return {
            name: {key: attrs[key] for key in ("settings", "runs", "accuracy_origin") if key in attrs}
            for name, attrs in kept.items()
        }


def load_settings(studies: Sequence[str], storage: str = DEFAULT_STORAGE) -> list[Settings]:
    """What each study is of."""
    from blockfront.study.settings import read_settings

    with opened(storage) as opened_storage:
        return [read_settings(open_study(opened_storage, name)) for name in studies]


@contextmanager
def opened(storage: str, *, create: bool = False) -> Iterator[RDBStorage]:
    """`open_storage`, with every connection closed at the end; storage failures inside become RunError."""
    opened_storage = open_storage(storage, create=create)
    try:
        with failures_in_one_line(storage):
            yield opened_storage
    finally:
        opened_storage.remove_session()
        opened_storage.engine.dispose()


@contextmanager
def failures_in_one_line(storage: str) -> Iterator[None]:
    """Turn a failed read or write, such as on a full disk, into a RunError that says how to go on."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise RunError(
            f"storage {hide_password(storage)} failed: {_cause(error)}; what was finished is kept, "
            "so put the cause right and run the same command again"
        ) from error


def _rows(storage: RDBStorage, name: str) -> Iterator[dict[str, object]]:
    from blockfront.results.table import row_of
    from blockfront.study.reading import read_results

    return map(row_of, read_results(open_study(storage, name)))


def _cause(error: BaseException) -> str:
    """The innermost reason in one line; SQLAlchemy and Optuna wrap the driver's own."""
    original = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None)
    return " ".join(str(original or error).split("\n")[0].split())
