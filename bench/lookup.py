"""Finding one network in the studies of a storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.errors import UsageError, unknown
from bench.rows import to_frame, to_records, trial_row
from bench.store import open_study, opened, own_studies
from bench.sweep.settings import read_settings

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def find_network(prefix: str, storage: str, study: str | None = None) -> list[dict[str, Any]]:
    """Every trial of the network whose id starts with `prefix`: its row, and what a row has no column for.

    Raises UsageError when no network or several have such an id, naming near ones.
    """
    if not prefix:
        raise UsageError("give the id of a network, or its first digits")
    found: list[dict[str, Any]] = []
    known: set[str] = set()
    with opened(storage) as opened_storage:
        for name in [study] if study else own_studies(opened_storage):
            optuna_study = open_study(opened_storage, name)
            settings = read_settings(optuna_study)
            for trial in optuna_study.get_trials(deepcopy=False):
                if "network" not in trial.user_attrs or trial.state.name == "PRUNED":
                    continue
                network_id = trial.user_attrs["network"]["id"]
                known.add(network_id)
                if network_id.startswith(prefix):
                    row = to_records(to_frame([trial_row(name, settings, trial)]))[0]
                    found.append({**row, **_details(trial)})
    matching = sorted({row["network_id"] for row in found})
    if len(matching) > 1:
        raise UsageError(f"{prefix!r} starts the ids of several networks: {', '.join(matching[:5])}; give more digits")
    if not matching:
        near = {network_id[: len(prefix)] for network_id in known}
        listing = "bench export lists all of a study's networks"
        raise unknown("network", prefix, near, within=f"{storage} has", otherwise=listing)
    return found


def _details(trial: FrozenTrial) -> dict[str, Any]:
    """What a row has no column for."""
    latency = trial.user_attrs.get("latency") or {}
    accuracy = trial.user_attrs.get("accuracy") or {}
    visits = latency.get("visits") or []
    # Studies made before there were visits hold the samples alone.
    samples = latency.get("samples_ms") or [sample for visit in visits for sample in visit["samples_ms"]]
    return {
        "latency_samples_ms": samples,
        "visits": visits,
        "kernels": latency.get("kernels") or [],
        "peak": latency.get("peak"),
        "coverage": latency.get("coverage"),
        "unscheduled_kernel_names": latency.get("unscheduled_kernels") or [],
        "conditions": latency.get("conditions") or {},
        "versions": latency.get("versions") or {},
        "tokens": trial.user_attrs.get("tokens"),
        "curve": accuracy.get("curve") or [],
        "accuracy_from": trial.user_attrs.get("accuracy_from"),
        "traceback": trial.user_attrs.get("traceback"),
    }
