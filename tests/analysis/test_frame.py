from __future__ import annotations

import math

import pandas as pd
import pytest

from blockfront.analysis import split_sources, tidy, usable
from blockfront.errors import UsageError


def test_missing_columns_and_values_become_nan_and_empty_text():
    table = tidy(pd.DataFrame({"network_id": ["a", None], "top1": [None, 0.5], "macs": [None, 7]}, dtype=object))
    assert table["network_id"].tolist() == ["a", ""]
    assert table["error"].tolist() == ["", ""]
    assert math.isnan(table["top1"][0])
    assert table["macs"].tolist()[1] == 7.0
    assert table["latency_ms"].isna().all()


def test_a_network_without_a_family_is_of_the_unknown_one():
    table = tidy(pd.DataFrame({"network_id": ["a", "b", "c"], "family": [None, "", "ir"]}))
    assert table["family"].tolist() == ["unknown", "unknown", "ir"]
    assert table["state"].tolist() == ["unknown"] * 3


def test_a_tidy_copy_leaves_the_original_alone(study):
    before = study.copy()
    table = tidy(study)
    table["latency_ms"] = 0.0
    pd.testing.assert_frame_equal(study, before)


def test_failed_rows_and_infinite_numbers_are_not_usable():
    rows = pd.DataFrame({"state": ["complete", "failed", "running"], "latency_ms": [1.0, 2.0, math.inf]})
    assert usable(rows, "latency_ms")["latency_ms"].tolist() == [1.0]


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(UsageError, match="no column 'watts'"):
        usable(pd.DataFrame({"state": ["complete"]}), "watts")


def test_sources_are_parted_and_unnamed_ones_are_kept_apart(make_study):
    mixed = pd.concat([make_study(3), make_study(4, source="measured"), make_study(5, source="")])
    parts = split_sources(mixed)
    assert {name: len(rows) for name, rows in parts.items()} == {
        "measured": 4,
        "predicted": 3,
        "unknown source": 5,
    }
    assert next(iter(parts)) == "measured"
