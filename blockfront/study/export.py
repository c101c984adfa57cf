"""Tables as files, one writer an extension."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from blockfront.errors import UsageError
from blockfront.registry import Registry
from blockfront.study.text_table import latex, markdown

if TYPE_CHECKING:
    import pandas as pd

Writer = Callable[["pd.DataFrame", Path], object]
FORMATS: Registry[Writer] = Registry("export format")
FORMATS.add(".csv", lambda frame, path: frame.to_csv(path, index=False))
FORMATS.add(".parquet", lambda frame, path: frame.to_parquet(path, index=False))
FORMATS.add(".md", lambda frame, path: path.write_text(markdown(frame), encoding="utf-8"))
FORMATS.add(".tex", lambda frame, path: path.write_text(latex(frame), encoding="utf-8"))


def export_format(path: Path) -> Writer:
    """The writer for a file's extension; UsageError for an unknown one, or a folder that is not there."""
    if path.suffix not in FORMATS:
        raise UsageError(f"cannot export to {path}: give a name ending in {', '.join(FORMATS)}")
    require_folder(path)
    return FORMATS[path.suffix]


def require_folder(path: Path) -> None:
    """Raise UsageError when `path` cannot be a file: its folder is missing, or it is a folder itself."""
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"cannot write {path}: there is no folder {path.absolute().parent}")
