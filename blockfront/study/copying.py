"""A study made of another one's networks, costs and accuracies, with other latencies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from blockfront.errors import UsageError
from blockfront.results import METRICS, Latency, Result
from blockfront.results.table import row_of
from blockfront.results.trial import read_parts, write_part
from blockfront.study.provenance import describe_run
from blockfront.study.settings import KEY, Settings, origin_of
from blockfront.study.sqlite_file import checkpoint
from blockfront.study.storage import open_study, study_names
from blockfront.study.trials import network_trials

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

_OF_TARGET = ("latency", "postprocess", "error", "traceback")
"""What holds of a network on the original study's target alone."""


def copy_study(
    storage: RDBStorage,
    of: str,
    name: str,
    settings: Settings,
    latencies: Mapping[str, Latency | None],
    check: Callable[[Mapping[str, int]], None],
) -> None:
    """Make study `name` of those networks of study `of` that `latencies` has by id; one that is None failed.

    `check` is given the networks' MACs before anything is written, and may raise. Raises UsageError for a name that is
    taken, and for networks that the study does not have.
    """
    import optuna

    if name in study_names(storage):
        raise UsageError(f"study {name!r} exists; name another with --study")
    trials = {trial.user_attrs["network"]["id"]: trial for trial in network_trials(open_study(storage, of))}
    for network_id in latencies:
        if network_id not in trials:
            raise UsageError(f"study {of!r} has no network {network_id} any more: hand its networks out anew")
    check({network_id: trials[network_id].user_attrs["cost"]["macs"] for network_id in latencies})
    copies = [_copy(trials[network_id], of, name, settings, latency) for network_id, latency in latencies.items()]
    study = optuna.create_study(
        study_name=name, storage=storage, directions=[METRICS[key].direction for key in settings.objectives]
    )
    study.set_user_attr(KEY, msgspec.to_builtins(settings))
    study.set_user_attr("runs", [{**describe_run(), "networks_of": of}])
    study.add_trials(copies)
    checkpoint(storage)


def _copy(trial: FrozenTrial, of: str, name: str, settings: Settings, latency: Latency | None) -> FrozenTrial:
    from optuna.trial import TrialState, create_trial

    parts = {key: part for key, part in read_parts(trial.user_attrs).items() if key not in _OF_TARGET}
    if "trainings" in parts:
        parts.setdefault("accuracy_from", of)
    parts |= {"latency": latency} if latency else {"error": f"{settings.runner}: {settings.toolchain} has no latency"}
    row = row_of(Result(origin_of(name, settings), "complete", **parts))
    return create_trial(
        state=TrialState.COMPLETE if latency else TrialState.FAIL,
        values=[row[key] for key in settings.objectives] if latency else None,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={key: write_part(part) for key, part in parts.items()}
        | {key: trial.user_attrs[key] for key in ("index",) if key in trial.user_attrs},
    )
