"""A design space from its name: a preset, or a variable of the user's own Python file."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from bench.design_space.presets import SPACES
from bench.design_space.space import DesignSpace
from bench.errors import UsageError


def load_space(ref: str, resolution: int | None = None, num_classes: int | None = None) -> DesignSpace:
    """The design space that `ref` names: a preset, or `file.py:name`.

    A preset is built for the input given, else for 224 pixels and 1000 classes; a file's space has its own
    unless given. Raises `UsageError` for an unknown name and for a file that is missing, does not import,
    lacks the name or has something else under it.
    """
    if ".py" not in ref:
        return SPACES[ref].build(resolution or 224, num_classes or 1000)
    path, colon, name = ref.rpartition(":")
    if not colon or not path.endswith(".py"):
        raise UsageError(f"design space {ref!r} lacks its variable; write file.py:name")
    module = import_file(path)
    spaces = [key for key, value in vars(module).items() if isinstance(value, DesignSpace)]
    if not hasattr(module, name):
        near = difflib.get_close_matches(name, spaces, n=1)
        known = f"did you mean {near[0]}?" if near else f"its design spaces: {', '.join(spaces) or 'none'}"
        raise UsageError(f"{path} defines no {name!r}; {known}")
    space = getattr(module, name)
    if not isinstance(space, DesignSpace):
        kind = type(space).__name__
        raise UsageError(
            f"{name!r} of {path} is no DesignSpace but of type {kind}; its design spaces: {', '.join(spaces) or 'none'}"
        )
    return space.with_input(resolution, num_classes)


def import_file(path: str) -> ModuleType:
    """The module of a Python file, run once in a process, since blocks register once.

    Raises `UsageError`, with the exception in one line, for a file that is missing or does not import.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise UsageError(f"there is no file {path}")
    name = f"bench_file_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        where = f" (line {line})" if line else ""
        reason = str(error).strip().splitlines()
        raise UsageError(
            f"{path} does not import{where}: {type(error).__name__}: {reason[0] if reason else ''}".rstrip(": ")
        ) from error
    return module
