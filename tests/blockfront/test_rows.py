"""Results as rows, and rows as JSON."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from optuna.trial import TrialState, create_trial

from blockfront.results import COLUMNS, SCHEMA_VERSION, Origin
from blockfront.results.table import row_of, to_frame, to_records, without_nan
from blockfront.results.trial import read_result

ORIGIN = Origin("s", "rk3399", "roofline", "tvm", 2, "digits", 7)
LATENCY = {
    "source": "predicted",
    "runner": "roofline",
    "target": "rk3399",
    "device": "model",
    "threads": 2,
    "median_ms": 1.5,
    "ci95_ms": [1.0, 2.0],
    "visits": [],
    "kernels": [],
    "unscheduled_kernels": ["k"],
    "peak_memory_bytes": 9,
    "flash_bytes": 8,
    "ram_bytes": 10,
    "max_abs_error": 0.0,
    "max_rel_error": 0.0,
    "verified_on": "host",
}
TRAINING = {
    "scores": {"top1": {"value": 0.5, "low": 0.2, "high": 0.8}},
    "test_images": 10,
    "curve": [0.5],
    "dataset": "digits",
    "recipe_hash": "r",
    "epochs": 1,
    "source": "trained",
    "seconds": 0.1,
    "seed": 7,
}


def _row(**attrs):
    return row_of(read_result(ORIGIN, create_trial(state=TrialState.RUNNING, user_attrs=attrs)))


def test_every_column_says_what_it_means():
    assert all(column.title for column in COLUMNS.values())
    assert tuple(to_frame([]).columns) == tuple(COLUMNS)
    for column in COLUMNS.values():
        if column.metric is not None:
            assert column.metric.key == column.name
            assert set(column.metric.interval or ()) <= set(COLUMNS)


def test_types_do_not_depend_on_what_is_missing():
    full = _row(
        network={"id": "a", "text": "t", "family": "ds", "resolution": 32},
        cost={"macs": 1, "params": 2, "activations": 3},
        latency=LATENCY,
        trainings=[TRAINING],
    )
    frames = [to_frame(rows) for rows in ([_row()], [full], [])]
    assert all(list(frame.dtypes) == list(frames[0].dtypes) for frame in frames)
    row = frames[1].iloc[0]
    assert (row["latency_ci95_low_ms"], row["latency_ci95_high_ms"], row["unscheduled_kernels"]) == (1.0, 2.0, 1)
    assert (row["top1"], row["top1_ci95_low"], row["top1_ci95_high"], row["trainings"]) == (0.5, 0.2, 0.8, 1)
    assert np.isnan(row["top5"])
    assert (row["target"], row["seed"], row["schema_version"]) == ("rk3399", 7, SCHEMA_VERSION)


def test_a_row_without_results_names_what_is_known():
    row = _row()
    assert (row["state"], row["target"], row["dataset"], row["latency_ms"]) == ("running", "rk3399", "digits", None)


def test_several_trainings_are_one_mean_whose_interval_covers_seeds_and_images():
    """Student's t over two seeds: 12.706 standard errors; and Wilson's half width over the images, 0.3."""
    second = {**TRAINING, "seed": 8, "scores": {"top1": {"value": 0.52, "low": 0.22, "high": 0.82}}}
    row = _row(trainings=[TRAINING, second])
    half = np.hypot(0.3, 12.7062 * np.std([0.5, 0.52], ddof=1) / np.sqrt(2))
    assert row["top1"] == 0.51
    np.testing.assert_allclose([row["top1_ci95_low"], row["top1_ci95_high"]], [0.51 - half, 0.51 + half], rtol=1e-4)
    assert row["trainings"] == 2


def test_records_hold_null_for_whatever_is_missing_and_whole_numbers_as_such():
    empty_row = dict.fromkeys(COLUMNS)
    frame = to_frame([empty_row, {**empty_row, "macs": 10**12, "top1": 0.25, "family": "ds"}])
    empty, full = to_records(frame)
    assert set(empty.values()) == {None}
    assert (full["macs"], type(full["macs"]), full["top1"], full["family"]) == (10**12, int, 0.25, "ds")
    json.dumps([empty, full], allow_nan=False)


def test_no_nan_reaches_json_at_any_depth():
    document = {"a": [float("nan"), {"b": float("inf")}], "c": (1.0, np.float64("nan"))}
    assert without_nan(document) == {"a": [None, {"b": None}], "c": [1.0, None]}
    assert without_nan(pd.Series([1.5]).tolist()) == [1.5]
