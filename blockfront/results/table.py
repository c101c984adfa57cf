"""Results as rows, rows as a DataFrame, and tables as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from blockfront.results.column import DTYPES
from blockfront.results.column_registry import COLUMNS
from blockfront.results.result import Result


def row_of(result: Result) -> dict[str, Any]:
    """A result as column name to value; what it does not have yet is None."""
    return {name: column.of(result) for name, column in COLUMNS.items()}


def network_name(row: Any) -> str:
    """What a reader calls the network of a row: a known one by its name, another by its id."""
    kind, _, name = str(row["network"]).partition("/")
    return name if kind.partition("_")[0] == "known" else str(row["network_id"])


def network_input(row: Any) -> str | None:
    """What a known network of a row takes, channels x height x width, where its text says so."""
    kind, _, _ = str(row["network"]).partition("/")
    name, _, size = kind.partition("_")
    return size if name == "known" and size else None


def to_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a DataFrame with the documented columns, their order and types, even when empty."""
    rows = list(rows)
    # A row may lack the columns of a metric that a later study brought.
    return pd.DataFrame(
        {name: pd.Series([row.get(name) for row in rows], dtype=DTYPES[c.kind]) for name, c in COLUMNS.items()}
    )


def to_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dictionaries for JSON: whole numbers as int, and None for whatever is missing or not finite."""
    return [{str(k): _plain(v) for k, v in row.items()} for row in frame.to_dict(orient="records")]


def without_nan(value: Any) -> Any:
    """The same JSON value with None in place of every NaN and infinity, at any depth."""
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value.item() if hasattr(value, "item") else value
