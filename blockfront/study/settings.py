"""What a study is of: everything that its rows share and that must not change between runs of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from blockfront.errors import UsageError
from blockfront.results import SCHEMA_VERSION, Origin

if TYPE_CHECKING:
    from optuna.study import Study

KEY = "settings"


@dataclass(frozen=True)
class Settings:
    """A study's identity.

    `dataset`, `recipe` and `recipe_hash` are None for a study without training; `tuned` is a hash of the tuned
    kernels that its networks may get, None when the rules schedule all; `core_model` a hash of the model that its
    latencies are predicted or simulated by, None for other runners.
    """

    space: str
    space_hash: str
    space_definition: dict[str, Any]
    target: str
    target_definition: dict[str, Any]
    runner: str
    threads: int
    dataset: str | None
    dataset_fingerprint: str | None
    recipe: dict[str, Any] | None
    recipe_hash: str | None
    seed: int
    sampler: str
    tuned: str | None = None
    core_model: str | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def objectives(self) -> tuple[str, ...]:
        """Columns that the study's trials are told: what is to be small, and where it trains what is to be large."""
        return ("latency_ms", "top1") if self.trains else ("latency_ms",)

    @property
    def trains(self) -> bool:
        """Whether networks are trained, which adds the accuracy as a second objective."""
        return self.dataset is not None


def read_settings(study: Study) -> Settings:
    """Settings kept in a study; UsageError when it has none or was made by an incompatible version."""
    kept = study.user_attrs.get(KEY)
    if kept is None:
        raise UsageError(f"study {study.study_name!r} was not made by bench; name another with --study")
    try:
        return msgspec.convert(kept, Settings)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"study {study.study_name!r} was made by another version of bench (schema "
            f"{kept.get('schema_version')}, here {SCHEMA_VERSION}): {error}"
        ) from error


def origin_of(study: str, settings: Settings) -> Origin:
    """What the results of a study share, as each of them says it. An accelerator has no threads to choose."""
    threads = None if settings.runner == "simulated" else settings.threads
    return Origin(study, settings.target, settings.runner, threads, settings.dataset, settings.seed)


def require_same(study: str, kept: Settings, asked: Settings) -> None:
    """Raise UsageError naming the first thing in which a study differs from what is asked of it."""
    for noun, old, new in (
        ("space", kept.space, asked.space),
        ("data set", kept.dataset or "none", asked.dataset or "none"),
        (f"definition of space {kept.space}", kept.space_hash, asked.space_hash),
        ("target", kept.target, asked.target),
        ("data set contents", kept.dataset_fingerprint, asked.dataset_fingerprint),
        ("recipe", _recipe(kept), _recipe(asked)),
        ("runner", kept.runner, asked.runner),
        ("thread count", str(kept.threads), str(asked.threads)),
        ("tuned kernels", kept.tuned or "none", asked.tuned or "none"),
        (
            "model of the accelerator" if asked.runner == "simulated" else "core model",
            kept.core_model or "none",
            asked.core_model or "none",
        ),
        ("seed", str(kept.seed), str(asked.seed)),
        ("sampler", kept.sampler, asked.sampler),
    ):
        if old != new:
            raise UsageError(f"study {study!r} exists with {noun} {old}, not {new}; name another with --study")
    if kept.target_definition != asked.target_definition:
        raise UsageError(f"study {study!r} has another definition of target {kept.target}; name another with --study")


def _recipe(settings: Settings) -> str:
    if settings.recipe is None:
        return "none"
    return f"{settings.recipe_hash} ({settings.recipe.get('epochs')} epochs)"
