"""Results as an Optuna trial keeps them: which attribute is which part, and how older forms become today's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec

from blockfront.errors import UsageError
from blockfront.results.result import Origin, Result
from blockfront.results.training import counted_share

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_OUTSIDE = ("origin", "state", "trial")
PARTS: Mapping[str, Any] = {name: hint for name, hint in get_type_hints(Result).items() if name not in _OUTSIDE}
"""Name of each attribute of a trial, which is a field of `Result`, to its type."""


def read_result(origin: Origin, trial: FrozenTrial) -> Result:
    """The result in a trial, whichever version wrote it. Raises UsageError for what no version of ours wrote."""
    try:
        return Result(origin, state_of(trial), trial.number, **read_parts(trial.user_attrs))
    except msgspec.ValidationError as error:
        raise UsageError(
            f"trial {trial.number} of study {origin.study!r} was written by another version of bench: {error}"
        ) from error


def state_of(trial: FrozenTrial) -> str:
    """The state of a trial's network; to Optuna one that was rejected or stopped has failed."""
    if trial.state.name == "FAIL":
        return next((state for state in ("rejected", "stopped") if state in trial.user_attrs), "failed")
    return {"COMPLETE": "complete", "WAITING": "waiting"}.get(trial.state.name, "running")


def read_parts(attrs: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The parts of a result among a trial's attributes, or those of `names`; raises `msgspec.ValidationError`."""
    kept = dict(attrs)
    for migrate in _MIGRATIONS:
        migrate(kept)
    wanted = names or PARTS
    return {name: msgspec.convert(kept[name], PARTS[name]) for name in wanted if kept.get(name) is not None}


def write_part(value: Any) -> Any:
    """A part of a result as the JSON that a trial keeps under the part's name."""
    return msgspec.to_builtins(value)


def _visits_from_samples(attrs: dict[str, Any]) -> None:
    """Latencies of before there were visits hold samples alone."""
    latency = attrs.get("latency")
    if latency is not None and "visits" not in latency:
        samples = latency.get("samples_ms") or ()
        visits = [{"device": latency["device"], "samples_ms": samples}] if samples else []
        attrs["latency"] = {**latency, "visits": visits}


def _trainings_from_accuracy(attrs: dict[str, Any]) -> None:
    """One accuracy, of classification, was kept before there were several of any task."""
    accuracy = attrs.pop("accuracy", None)
    if accuracy is not None and "trainings" not in attrs:
        images = accuracy["test_images"]
        scores = {name: msgspec.to_builtins(counted_share(accuracy[name], images)) for name in ("top1", "top5")}
        attrs["trainings"] = [{**accuracy, "scores": scores}]


def _adaptation_from_tokens(attrs: dict[str, Any]) -> None:
    """Learning token counts was the only adaptation, with attributes of its own."""
    network, tokens, counts = attrs.get("network"), attrs.pop("tokens", None), attrs.pop("token_counts", None)
    if network is not None and network.get("learns_counts"):
        attrs["network"] = {**network, "adaptation": "token_counts"}
    if tokens is not None:
        images = attrs["trainings"][0]["test_images"]
        before = {"top1": msgspec.to_builtins(counted_share(tokens["plain_top1"], images))}
        shares = {name: tokens[name] for name in ("dynamic_top1", "agreement")}
        attrs["adaptations"] = {"token_counts": {"artefact": tokens["plan"], "before": before, "shares": shares}}
    if counts is not None:
        attrs["adapted"] = {"token_counts": counts}


def _toolchain_from_coverage(attrs: dict[str, Any]) -> None:
    """Before there was a choice of toolchains, TVM compiled all networks but the simulated ones, which have a coverage.

    Those were said to have one thread and no kernels without a schedule.
    """
    latency = attrs.get("latency")
    if latency is not None and "toolchain" not in latency:
        nothing = dict.fromkeys(("threads", "unscheduled_kernels", "tuned_kernels"))
        made = {"toolchain": "zigzag", **nothing} if latency.get("coverage") else {"toolchain": "tvm"}
        attrs["latency"] = {"tuned_kernels": (), **latency, **made}


_MIGRATIONS: tuple[Callable[[dict[str, Any]], None], ...] = (
    _visits_from_samples,
    _trainings_from_accuracy,
    _adaptation_from_tokens,
    _toolchain_from_coverage,
)
"""Oldest first; each leaves alone what is newer than it."""
