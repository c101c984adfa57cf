"""Trials as rows and rows as JSON."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from optuna.trial import TrialState, create_trial

from bench.rows import to_frame, to_records, trial_row, without_nan
from bench.schema import COLUMNS, NAMES, SCHEMA_VERSION
from bench.sweep.settings import Settings

SETTINGS = Settings("s", "h", {}, "rk3399", {}, "roofline", 2, "digits", "f", {"epochs": 1}, "r", 7, "random")


def test_columns_are_the_documented_ones_in_their_order():
    assert len(set(NAMES)) == len(NAMES)
    assert all(column.title for column in COLUMNS)
    assert tuple(to_frame([]).columns) == NAMES


def test_types_do_not_depend_on_what_is_missing():
    running = create_trial(state=TrialState.RUNNING)
    full = create_trial(
        state=TrialState.RUNNING,
        user_attrs={
            "network": {"id": "a", "text": "t", "family": "ds", "resolution": 32},
            "cost": {"macs": 1, "params": 2, "activations": 3},
            "latency": {
                "median_ms": 1.5,
                "ci95_ms": [1.0, 2.0],
                "unscheduled_kernels": ["k"],
                "peak_memory_bytes": 9,
            },
            "accuracy": {"top1": 0.5, "top5": 1.0, "test_images": 10, "epochs": 1, "seconds": 0.1},
        },
    )
    frames = [to_frame(trial_row("s", SETTINGS, trial) for trial in trials) for trials in ([running], [full], [])]
    assert all(list(frame.dtypes) == list(frames[0].dtypes) for frame in frames)
    row = frames[1].iloc[0]
    assert (row["latency_ci95_low_ms"], row["latency_ci95_high_ms"], row["unscheduled_kernels"]) == (
        1.0,
        2.0,
        1,
    )
    assert (row["target"], row["seed"], row["schema_version"]) == ("rk3399", 7, SCHEMA_VERSION)


def test_a_row_without_results_names_what_is_known():
    row = trial_row("s", SETTINGS, create_trial(state=TrialState.RUNNING))
    assert (row["state"], row["target"], row["dataset"], row["latency_ms"]) == (
        "running",
        "rk3399",
        "digits",
        None,
    )


def test_records_hold_null_for_whatever_is_missing_and_whole_numbers_as_such():
    frame = to_frame([dict.fromkeys(NAMES), {**dict.fromkeys(NAMES), "macs": 10**12, "top1": 0.25, "family": "ds"}])
    empty, full = to_records(frame)
    assert set(empty.values()) == {None}
    assert (full["macs"], type(full["macs"]), full["top1"], full["family"]) == (10**12, int, 0.25, "ds")
    json.dumps([empty, full], allow_nan=False)


def test_no_nan_reaches_json_at_any_depth():
    document = {"a": [float("nan"), {"b": float("inf")}], "c": (1.0, np.float64("nan"))}
    assert without_nan(document) == {"a": [None, {"b": None}], "c": [1.0, None]}
    assert without_nan(pd.Series([1.5]).tolist()) == [1.5]
