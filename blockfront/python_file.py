"""The user's own Python files, named on the command line as `file.py:name`."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from blockfront import siblings
from blockfront.errors import UsageError, unknown


def is_file_reference(ref: str) -> bool:
    """Whether `ref` is of the form `file.py:name`."""
    return ref.rpartition(":")[0].endswith(".py")


def load_object(ref: str, accepts: Callable[[Any], bool], kind: str) -> Any:
    """The object that `file.py:name` refers to, if `accepts` says it is a `kind`.

    Raises `UsageError` for a file that is missing, does not import, lacks the name or has something else there.
    """
    path, _, name = ref.rpartition(":")
    module = import_file(path)
    known = [key for key, value in vars(module).items() if key[:1] != "_" and accepts(value)]
    if name in known:
        return getattr(module, name)
    if hasattr(module, name):
        found = type(getattr(module, name)).__name__
        raise UsageError(f"{name!r} of {path} is no {kind} but of type {found}; it has {', '.join(known) or 'none'}")
    raise unknown(kind, name, known, within=f"{path} defines", otherwise=f"it has {', '.join(known) or 'none'}")


def import_file(path: str | Path) -> ModuleType:
    """The module of a Python file, run once in a process, since blocks register once.

    It imports what lies beside it, and relatively inside a package, as it would if Python ran it; see `siblings`.
    Raises `UsageError`, with the exception in one line, for a file that is missing or does not import.
    """
    file = Path(path).expanduser().resolve()
    if not file.is_file():
        raise UsageError(f"there is no file {path}")
    parent, name = siblings.names(file)
    if name in sys.modules:
        return sys.modules[name]
    try:
        if parent:
            importlib.import_module(parent)
        if name in sys.modules:  # It is a package's __init__.py, or that has imported it.
            return sys.modules[name]
        return siblings.load_beside(name, file)
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        where = f" (line {line})" if line else ""
        reason = siblings.plain(str(error)).strip().splitlines()
        raise UsageError(
            f"{path} does not import{where}: {type(error).__name__}: {reason[0] if reason else ''}".rstrip(": ")
        ) from error
