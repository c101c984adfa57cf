"""One table of columns, from which everything that shows results follows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from blockfront import load
from blockfront.errors import UsageError
from blockfront.results import (
    COLUMNS,
    METRICS,
    Column,
    Latency,
    Metric,
    Origin,
    Result,
    Scored,
    Visit,
    add_columns,
    add_scored,
    path,
    score_columns,
)
from blockfront.results.table import row_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "columns.md"


@pytest.fixture
def one_more_metric() -> Column:
    """What adding a metric takes: one line."""
    metric = Metric("double_ms", "double latency", "ms", "minimize", depends_on="target")
    column = Column("double_ms", "real", "ms", "twice the latency", lambda r: 2 * path("latency.median_ms")(r), metric)
    return COLUMNS.add("double_ms", column)


def test_a_metric_that_was_added_is_found_everywhere(bench, finished, one_more_metric, tmp_path):
    storage = ("--storage", finished.commands.storage)
    frame = load(finished.study, finished.commands.storage)
    assert (frame["double_ms"] == 2 * frame["latency_ms"]).all()
    assert bench("export", finished.study, "networks.csv", *storage).code == 0
    assert "double_ms" in (tmp_path / "networks.csv").read_text().splitlines()[0]
    (found,) = json.loads(bench("show", frame["network_id"][0], "--json", *storage).output)
    assert found["double_ms"] == 2 * found["latency_ms"]
    assert "double_ms" in bench("show", frame["network_id"][0], *storage).output
    assert "twice the latency" in bench("columns").output
    report = bench("report", finished.study, "--cost", "double_ms", *storage)
    assert report.code == 0, report.errors
    assert "double latency" in (tmp_path / "report.html").read_text()


def test_the_document_lists_the_columns_and_nothing_else():
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*) \|$", DOCUMENT.read_text(), flags=re.MULTILINE)
    assert rows == [(name, column.unit, column.title) for name, column in COLUMNS.items()]


def _error(unit: str, direction: str) -> Scored:
    return Scored(unit, "mean error", Metric("mae", "mean absolute error", unit, direction))


def test_what_a_study_says_of_a_metric_holds_until_somebody_here_defines_it():
    add_scored([_error("px", "minimize")])
    add_scored([_error("px", "minimize")])
    assert METRICS["mae"].unit == "px"
    add_columns(*score_columns("mm", "mean error", _error("mm", "minimize").metric))
    assert METRICS["mae"].unit == "mm"
    with pytest.raises(UsageError, match="column 'mae' is already registered"):
        add_columns(*score_columns("px", "mean error", _error("px", "minimize").metric))


@pytest.mark.parametrize("other", [("mm", "minimize"), ("px", "maximize")])
def test_two_studies_that_mean_two_things_by_a_metric_are_not_read_together(other):
    add_scored([_error("px", "minimize")])
    with pytest.raises(UsageError, match="the study's mae is in"):
        add_scored([_error(*other)])


def test_percentiles_are_those_of_all_samples_and_absent_without_any():
    """The nearest rank: of 1 to 200 ms the 180th and the 198th."""

    def result(visits):
        latency = Latency("measured", "local", "tvm", "host", "here", 1, 100.0, visits=visits)
        return Result(Origin(None, "host", "local", "tvm", 1, None, None), "complete", latency=latency)

    halves = [tuple(float(ms) for ms in range(start, 201, 2)) for start in (2, 1)]
    row = row_of(result(tuple(Visit("here", samples) for samples in halves)))
    assert (row["latency_p90_ms"], row["latency_p99_ms"]) == (180, 198)
    assert row_of(result((Visit("here", (3.0,)),)))["latency_p99_ms"] == 3
    assert row_of(result(()))["latency_p90_ms"] is None
