"""Tables as files, one writer an extension, each written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import RunError, UsageError
from bench.registry import Registry

if TYPE_CHECKING:
    import pandas as pd

Writer = Callable[["pd.DataFrame", Path], None]
FORMATS: Registry[Writer] = Registry("export format")
FORMATS.add(".csv", lambda frame, path: frame.to_csv(path, index=False))
FORMATS.add(".parquet", lambda frame, path: frame.to_parquet(path, index=False))


def export_format(path: Path) -> Writer:
    """The writer for a file's extension; UsageError for an unknown one, or a folder that is not there."""
    if path.suffix not in FORMATS:
        raise UsageError(f"cannot export to {path}: give a name ending in {' or '.join(sorted(FORMATS))}")
    require_folder(path)
    return FORMATS[path.suffix]


def require_folder(path: Path) -> None:
    """Raise UsageError when `path` cannot be a file: its folder is missing, or it is a folder itself."""
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"cannot write {path}: there is no folder {path.absolute().parent}")


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a file beside `path`, then move it there; else RunError, and no new file."""
    try:
        handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.stem}-", suffix=path.suffix)
        os.close(handle)
        partial = Path(name)
        try:
            write(partial)
            partial.chmod(0o666 & ~_umask())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
