"""Latency of one model on one target, without a study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from bench.errors import RunError, UsageError
from bench.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from torch import nn

    from bench.design_space import Cost
    from bench.models import Model
    from bench.sweep.progress import Progress
    from bench.targets import Options


def build_model(model: Model) -> tuple[nn.Module, Cost]:
    """The module as it is deployed, and its cost. Raises RunError when it does not run at the model's resolution."""
    from bench.blocks import deploy
    from bench.design_space import count_cost

    try:
        module = deploy(model.build())
        return module, count_cost(module, model.resolution)
    except (UsageError, RunError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise RunError(
            f"{model.name} does not run at {model.resolution} pixels: {reason}; try another --resolution"
        ) from error


def profile_model(model: Model, runner: str, options: Options, progress: Progress) -> dict[str, Any]:
    """Prepare and time a model: a row's columns as far as they apply, with samples and kernels."""
    from bench.targets import RUNNERS
    from bench.training import seeded

    with seeded(0), progress.stage("profile", 3) as advance:
        module, cost = build_model(model)
        advance()
        program = RUNNERS[runner].prepare(module, model.resolution, options, 0)
        advance()
        latency = RUNNERS[runner].run(program, options)
        advance()
    plan = getattr(module, "plan", None)
    low, high = latency.ci95_ms or (None, None)
    prediction = latency.prediction
    return {
        "model": model.name,
        "resolution": model.resolution,
        "target": latency.target,
        "device": latency.device,
        "threads": None if latency.coverage else latency.threads,
        "runner": latency.runner,
        "predictor": latency.predictor,
        "prediction_error": prediction and prediction.median_error,
        "prediction_error_p90": prediction and prediction.p90_error,
        "prediction_basis": prediction and prediction.basis,
        "latency_source": latency.source,
        "latency_ms": latency.median_ms,
        "latency_ci95_low_ms": low,
        "latency_ci95_high_ms": high,
        "energy_mj": latency.energy_mj,
        "precision": latency.precision,
        "simulated_macs": latency.coverage and latency.coverage.macs,
        "simulated_activations": latency.coverage and latency.coverage.activations,
        "max_abs_error": latency.max_abs_error,
        "max_rel_error": latency.max_rel_error,
        "verified_on": latency.verified_on,
        "unscheduled_kernels": None if latency.coverage else len(latency.unscheduled_kernels),
        "tuned_kernels": None if latency.coverage else len(latency.tuned_kernels),
        "token_counts": plan and plan.origin,
        "peak_memory_bytes": latency.peak_memory_bytes,
        "macs": cost.macs,
        "params": cost.params,
        "activations": cost.activations,
        "schema_version": SCHEMA_VERSION,
        "unscheduled_kernel_names": list(latency.unscheduled_kernels),
        "latency_samples_ms": list(latency.samples_ms),
        "visits": msgspec.to_builtins(latency.visits),
        "kernels": msgspec.to_builtins(latency.kernels),
        "peak": msgspec.to_builtins(latency.peak),
        "coverage": msgspec.to_builtins(latency.coverage),
        "versions": latency.versions,
        "conditions": latency.conditions,
    }
