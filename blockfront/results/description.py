"""Everything known of one network as one JSON document: its row, and what a row has no column for."""

from __future__ import annotations

from typing import Any

import msgspec

from blockfront.results.result import Result
from blockfront.results.table import row_of, to_frame, to_records


def described(result: Result) -> dict[str, Any]:
    """The row of a result, its samples and visits, kernels, peak, versions, and the curves of its trainings."""
    latency = result.latency
    kept = msgspec.to_builtins(latency) if latency else {}
    return {
        **to_records(to_frame([row_of(result)]))[0],
        "latency_samples_ms": list(latency.samples_ms) if latency else [],
        "unscheduled_kernel_names": kept.get("unscheduled_kernels") or [],
        **{key: kept.get(key, []) for key in ("visits", "kernels")},
        **{key: kept.get(key) for key in ("peak", "coverage", "npu")},
        **{key: kept.get(key, {}) for key in ("conditions", "versions")},
        "adaptations": msgspec.to_builtins(result.adaptations),
        "curve": list(begun.curve) if (begun := next(iter(result.trainings), result.begun)) else [],
        "scores": [msgspec.to_builtins(training.scores) for training in result.trainings],
        "accuracy_from": result.accuracy_from,
        "traceback": result.traceback,
    }
