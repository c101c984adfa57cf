"""A study's table in tidy types, and the rows of it that an analysis may use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from blockfront.analysis.metrics import OBJECTIVES
from blockfront.errors import UsageError
from blockfront.results import COLUMNS, METRICS
from blockfront.results.intervals import wilson95

_WITH_FALLBACKS = "counts_with_fallbacks"
SOURCES = ("measured", "measured elsewhere", "predicted", "simulated")


def tidy(df: pd.DataFrame) -> pd.DataFrame:
    """A copy with every documented column: numbers as float64 (missing: NaN), texts as str (missing: "").

    A missing family or state is "unknown", so that its networks are counted and named like any others. Columns beyond
    the documented ones are kept as they are; infinite numbers count as missing. A table without the intervals of its
    shares of images gets Wilson's, where it says of how many test images.
    """
    lacking = [m for m in METRICS.values() if m.counted and m.interval and not {*m.interval} & {*df.columns}]
    columns: dict[Any, Any] = {name: None if name in COLUMNS else df[name].reset_index(drop=True) for name in df}
    for name, column in COLUMNS.items():
        given = df[name] if name in df else pd.Series([None] * len(df), dtype=object)
        if column.kind == "text":
            missing = "unknown" if name in ("family", "state") else ""
            columns[name] = [(text if type(text) is str else _text(text)) or missing for text in given.tolist()]
        else:
            values = pd.to_numeric(given, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
            columns[name] = np.where(np.isfinite(values), values, np.nan)
    # At once: a frame takes as long for each column that it is given by itself.
    table = pd.DataFrame(columns)
    for metric in lacking:
        pairs = [wilson95(*pair) for pair in zip(table[metric.key], table["test_images"], strict=True)]
        table[list(metric.interval or ())] = np.asarray(pairs, dtype=np.float64).reshape(-1, 2)
    return table


def _text(value: object) -> str:
    return "" if value is None or value is pd.NA or value is pd.NaT or value != value else str(value)


def usable(df: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Tidy rows with a finite number in each of `columns`; failed and rejected networks never count.

    Nor do those with operators that an NPU leaves to the processor, unless `with_fallbacks` lets them. Raises
    UsageError for a column that the table has not.
    """
    table = tidy(df)
    keep = _counts(table).to_numpy(copy=True)
    for column in columns:
        if column not in table:
            raise UsageError(f"the table has no column {column!r}; it has: {', '.join(map(str, df.columns))}")
        values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        keep &= np.isfinite(values)
    return table[keep].reset_index(drop=True)


def _counts(table: pd.DataFrame) -> pd.Series:
    whole = (table["fallbacks"] == "") | table.get(_WITH_FALLBACKS, False)
    return whole & ~table["state"].isin(("failed", "rejected"))


def with_fallbacks(df: pd.DataFrame) -> pd.DataFrame:
    """The same rows, of which those count too whose latency lacks the operators that an NPU leaves to the processor."""
    return df.assign(**{_WITH_FALLBACKS: True})


def counting(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of networks that count: see `usable`."""
    return table[_counts(table)]


APART = (
    ("target", "targets"),
    ("toolchain", "toolchains"),
    ("precision", "number formats"),
    ("latency_source", "latency sources"),
    ("predictor", "predictors"),
)
"""Columns in which rows must not differ to be compared by what holds for one target, and what their values are."""


def require_comparable(df: pd.DataFrame, *metrics: str) -> None:
    """Raise `UsageError` when values of several targets, sources or others of `APART` would be compared as if alike.

    Only the rows count that have one of `metrics` (by default the default cost): of those whose values hold for one
    target they are of one target and latency source, of those that hold for one data set of one accuracy source.
    """
    table = tidy(df)
    table = table[_counts(table)]
    metrics = tuple(key for key in metrics or (OBJECTIVES.cost,) if key in table)
    scores = [key for key in metrics if METRICS[key].depends_on == "dataset"]
    _require_one(table[table[scores].notna().any(axis=1)], "accuracy_source", "accuracy sources")
    table = table[table[[key for key in metrics if METRICS[key].depends_on == "target"]].notna().any(axis=1)]
    for column, noun in APART:
        _require_one(table, column, noun)


def _require_one(table: pd.DataFrame, column: str, noun: str) -> None:
    values = sorted(set(table[column]) - {""})
    if len(values) > 1:
        raise UsageError(
            f"these rows mix {noun} ({', '.join(values)}); take one first: df[df.{column} == {values[0]!r}]"
        )


def split_sources(df: pd.DataFrame, metric: str = OBJECTIVES.cost) -> dict[str, pd.DataFrame]:
    """Latency source to its rows: those of `SOURCES` in their order, then others; rows without `metric` are left out.

    An unnamed source is keyed "unknown source". Where `metric` does not depend on the target all rows are together,
    keyed "".
    """
    table = tidy(df)
    table = table[table[metric].notna()]
    if METRICS[metric].depends_on != "target":
        return {"": table.reset_index(drop=True)} if len(table) else {}
    known = [source for source in SOURCES if (table["latency_source"] == source).any()]
    other = sorted(set(table["latency_source"]) - set(SOURCES))
    return {
        source or "unknown source": table[table["latency_source"] == source].reset_index(drop=True)
        for source in known + other
    }
