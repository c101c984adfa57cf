"""What a study is of: everything that its rows share and that must not change between runs of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from blockfront.errors import UsageError
from blockfront.plurals import counted
from blockfront.results import SCHEMA_VERSION, Origin, Scored, add_scored

if TYPE_CHECKING:
    from optuna.study import Study

KEY = "settings"
_SCHEDULED_BY = ("fma_per_cycle", "loads_per_cycle", "bandwidth_gbs")
"""Figures of a processor that decide of measured latencies only through the code that is compiled for it."""


@dataclass(frozen=True)
class Settings:
    """A study's identity.

    `dataset`, `recipe`, `recipe_hash` and `task` are None for a study without training. `objectives` are the columns
    that its trials are told: a cost and, where it trains, a value of its task; `scores` what defines the columns of
    all its task's metrics, so that the study can be read where nothing else does. `tuned` is a hash of the tuned
    kernels that its networks may get, None when the rules schedule all; `core_model` a hash of the model that its
    latencies are predicted or simulated by, None for other runners. `threads` is None where the hardware has none to
    choose. `precision` is the number format that networks are prepared in, and `quantize` how trained ones become int8,
    None where they do not. Each network is trained `train_seeds` times. `paired` networks were drawn in groups of one
    skeleton; `budget` is the kind of it by which trainings stop early. `prune` is the AP that a detector may lose with
    some of its anchors, None where none is searched for them.
    """

    space: str
    space_hash: str
    space_definition: dict[str, Any]
    target: str
    target_definition: dict[str, Any]
    runner: str
    toolchain: str
    precision: str
    threads: int | None
    dataset: str | None
    dataset_fingerprint: str | None
    recipe: dict[str, Any] | None
    recipe_hash: str | None
    seed: int
    sampler: str
    tuned: str | None = None
    core_model: str | None = None
    task: str | None = None
    objectives: tuple[str, ...] = ("latency_ms",)
    scores: tuple[Scored, ...] = ()
    train_seeds: int = 1
    quantize: str | None = None
    paired: bool = False
    budget: str | None = None
    prune: float | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def trains(self) -> bool:
        """Whether networks are trained, which adds a value as a second objective."""
        return self.dataset is not None

    @property
    def training_seeds(self) -> range:
        """The seeds that networks are trained with: the sampling's and those after it."""
        return range(self.seed, self.seed + self.train_seeds)


def read_settings(study: Study) -> Settings:
    """Settings kept in a study, whose task's columns there are from then on.

    Raises UsageError when it has none or was made by an incompatible version.
    """
    kept = study.user_attrs.get(KEY)
    if kept is None:
        raise UsageError(f"study {study.study_name!r} was not made by bench; name another with --study")
    try:
        settings = msgspec.convert(current(kept), Settings)
        add_scored(settings.scores)
        return settings
    except msgspec.ValidationError as error:
        raise UsageError(
            f"study {study.study_name!r} was made by another version of bench (schema "
            f"{kept.get('schema_version')}, here {SCHEMA_VERSION}): {error}"
        ) from error


def current(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they are kept today, of a study of any version.

    Before there were tasks, networks were classifiers, weighed by latency and top-1. Before there was a choice of
    toolchains and precisions, TVM compiled networks in float32, and those on accelerators, which were said to have one
    thread, were simulated.
    """
    then: dict[str, Any] = {}
    if "objectives" not in kept and kept.get("dataset") is None:
        then |= {"objectives": ["latency_ms"]}
    elif "objectives" not in kept:
        then |= {"task": "classification", "objectives": ["latency_ms", "top1"]}
    if "toolchain" not in kept:
        then |= {"toolchain": "tvm", "precision": "float32"}
        if kept.get("runner") == "simulated":
            then |= {"toolchain": "zigzag", "threads": None}
    return {**kept, **then}


def origin_of(study: str, settings: Settings) -> Origin:
    """What the results of a study share, as each of them says it."""
    runner, toolchain, threads = settings.runner, settings.toolchain, settings.threads
    return Origin(study, settings.target, runner, toolchain, threads, settings.dataset, settings.seed, settings.task)


def require_same(study: str, kept: Settings, asked: Settings) -> None:
    """Raise UsageError naming the first thing in which a study differs from what is asked of it."""
    for noun, old, new in (
        ("space", kept.space, asked.space),
        ("data set", kept.dataset or "none", asked.dataset or "none"),
        (f"definition of space {kept.space}", kept.space_hash, asked.space_hash),
        ("target", kept.target, asked.target),
        ("data set contents", kept.dataset_fingerprint, asked.dataset_fingerprint),
        ("recipe", _recipe(kept), _recipe(asked)),
        ("objectives", " and ".join(kept.objectives), " and ".join(asked.objectives)),
        ("runner", kept.runner, asked.runner),
        ("toolchain", kept.toolchain, asked.toolchain),
        ("precision", kept.precision, asked.precision),
        ("quantisation", kept.quantize or "none", asked.quantize or "none"),
        ("thread count", str(kept.threads), str(asked.threads)),
        ("tuned kernels", kept.tuned or "none", asked.tuned or "none"),
        (f"model of runner {kept.runner}", kept.core_model or "none", asked.core_model or "none"),
        ("seed", str(kept.seed), str(asked.seed)),
        ("training seeds", str(kept.train_seeds), str(asked.train_seeds)),
        ("sampler", kept.sampler, asked.sampler),
        ("budget", kept.budget or "none", asked.budget or "none"),
        ("AP to lose with anchors", str(kept.prune), str(asked.prune)),
        ("networks drawn", _drawn(kept), _drawn(asked)),
    ):
        if old != new:
            raise UsageError(f"study {study!r} exists with {noun} {old}, not {new}; name another with --study")
    then, now = _figures(kept), _figures(asked)
    if then != now:
        name = next(name for name in {**then, **now} if then.get(name) != now.get(name))
        raise UsageError(
            f"study {study!r} has another definition of target {kept.target}: {name} {then.get(name)}, "
            f"not {now.get(name)}; name another with --study"
        )


def code_of_others(study: str, kept: Settings, asked: Settings) -> str | None:
    """A line for a study of this machine whose networks are scheduled otherwise from here on, else None.

    How many multiply-adds the machine starts a cycle is measured, where older versions took it from a table.
    """
    old, new = (settings.target_definition.get("fma_per_cycle") for settings in (kept, asked))
    if asked.runner != "local" or old == new:
        return None
    return (
        f"study {study!r} was begun with code for {old:g} multiply-adds a cycle, and this machine does {new:g}: "
        "networks measured from here on are compiled for that, and differ in it from those before"
    )


def _figures(settings: Settings) -> dict[str, Any]:
    """The target's definition, without where its figures are from and those that only decide of measured code."""
    left_out = ("sources", *(_SCHEDULED_BY if settings.runner == "local" else ()))
    return {name: figure for name, figure in settings.target_definition.items() if name not in left_out}


def _drawn(settings: Settings) -> str:
    return "in pairs" if settings.paired else "one by one"


def _recipe(settings: Settings) -> str:
    if settings.recipe is None:
        return "none"
    return f"{settings.recipe_hash} ({counted(settings.recipe['epochs'], 'epoch')})"
