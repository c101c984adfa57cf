"""Columns by name, and the metrics among them; tasks and other distributions add theirs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from blockfront.errors import UsageError, unknown
from blockfront.registry import Registry
from blockfront.results.column import Column, Scored, score_columns
from blockfront.results.metric import Metric

COLUMNS: Registry[Column] = Registry("column")
"""In the order of a table; who brings a task adds its metrics' columns with `add_columns`."""


def add_columns(*columns: Column) -> None:
    """Add columns behind those there are, or in place of provisional ones; raises `UsageError` for a taken name."""
    for column in columns:
        taken = COLUMNS.registered.get(column.name)
        if taken is not None and taken.provisional:
            COLUMNS.remove(column.name)
        COLUMNS.add(column.name, column)


def scored(metrics: Iterable[str]) -> tuple[Scored, ...]:
    """What defines the columns of a task's metrics; raises `UsageError` for a metric that there is not."""
    return tuple(Scored(COLUMNS[name].unit, COLUMNS[name].title, METRICS[name]) for name in metrics)


def add_scored(definitions: Iterable[Scored]) -> None:
    """Add the columns of metrics that a study was made with, where nothing here defines them.

    Raises `UsageError` for a metric that means something else here.
    """
    for one in definitions:
        name = one.metric.key
        if name not in COLUMNS:
            columns = score_columns(one.unit, one.title, one.metric)
            add_columns(*(replace(column, provisional=True) for column in columns))
        elif (COLUMNS[name].unit, METRICS[name].direction) != (one.unit, one.metric.direction):
            raise UsageError(
                f"the study's {name} is in {one.unit!r} and to {one.metric.direction}, another one's or the one "
                f"defined here in {COLUMNS[name].unit!r} and to {METRICS[name].direction}; rename one of them"
            )


class _Metrics(Mapping[str, Metric]):
    """The metrics of all columns that have one, by column name; an unknown name raises `UsageError`."""

    def __getitem__(self, name: str) -> Metric:
        metric = COLUMNS[name].metric if name in COLUMNS else None
        if metric is None:
            raise unknown("metric", name, list(self))
        return metric

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __iter__(self) -> Iterator[str]:
        return (name for name, column in COLUMNS.items() if column.metric is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


METRICS = _Metrics()
