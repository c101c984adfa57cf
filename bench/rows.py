"""Trials of a study as rows of a table, and tables as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.schema import COLUMNS, NAMES, SCHEMA_VERSION

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from bench.sweep.settings import Settings

_DTYPES = {"text": "str", "whole": "Int64", "real": "float64"}


def trial_row(study: str, settings: Settings, trial: FrozenTrial) -> dict[str, Any]:
    """One trial as column name to value; what the trial does not have yet is None."""
    attrs = trial.user_attrs
    network, cost = attrs.get("network") or {}, attrs.get("cost") or {}
    latency, accuracy = attrs.get("latency") or {}, attrs.get("accuracy") or {}
    tokens = attrs.get("tokens") or {}
    low, high = latency.get("ci95_ms") or (None, None)
    unscheduled = latency.get("unscheduled_kernels")
    prediction, coverage = latency.get("prediction") or {}, latency.get("coverage") or {}
    row = {
        "study": study,
        "trial": trial.number,
        "state": _state(trial),
        "error": attrs.get("error"),
        "network_id": network.get("id"),
        "network": network.get("text"),
        "family": network.get("family"),
        "resolution": network.get("resolution"),
        "target": settings.target,
        "device": latency.get("device"),
        "threads": None if settings.runner == "simulated" else settings.threads,
        "runner": settings.runner,
        "predictor": latency.get("predictor"),
        "prediction_error": prediction.get("median_error"),
        "prediction_error_p90": prediction.get("p90_error"),
        "prediction_basis": prediction.get("basis"),
        "latency_source": latency.get("source"),
        "latency_ms": latency.get("median_ms"),
        "latency_ci95_low_ms": low,
        "latency_ci95_high_ms": high,
        "energy_mj": latency.get("energy_mj"),
        # Latencies kept before there was a choice are of float32.
        "precision": latency.get("precision", "float32") if latency else None,
        "simulated_macs": coverage.get("macs"),
        "simulated_activations": coverage.get("activations"),
        "max_abs_error": latency.get("max_abs_error"),
        "max_rel_error": latency.get("max_rel_error"),
        "verified_on": latency.get("verified_on"),
        "unscheduled_kernels": None if unscheduled is None or coverage else len(unscheduled),
        "tuned_kernels": len(latency.get("tuned_kernels", ())) if latency and not coverage else None,
        "token_counts": attrs.get("token_counts"),
        "peak_memory_bytes": latency.get("peak_memory_bytes"),
        "macs": cost.get("macs"),
        "params": cost.get("params"),
        "activations": cost.get("activations"),
        "top1": accuracy.get("top1"),
        "top5": accuracy.get("top5"),
        "plain_top1": tokens.get("plain_top1"),
        "dynamic_top1": tokens.get("dynamic_top1"),
        "agreement": tokens.get("agreement"),
        "test_images": accuracy.get("test_images"),
        "accuracy_source": accuracy.get("source"),
        "dataset": accuracy.get("dataset") or settings.dataset,
        "epochs": accuracy.get("epochs"),
        "train_seconds": accuracy.get("seconds"),
        "seed": settings.seed,
        "schema_version": SCHEMA_VERSION,
    }
    return {name: row[name] for name in NAMES}


def to_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a DataFrame with the documented columns, their order and types, even when empty."""
    rows = list(rows)
    return pd.DataFrame({c.name: pd.Series([row[c.name] for row in rows], dtype=_DTYPES[c.kind]) for c in COLUMNS})


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


def _state(trial: FrozenTrial) -> str:
    return {"COMPLETE": "complete", "FAIL": "failed", "WAITING": "waiting"}.get(trial.state.name, "running")
