"""How the networks of a study are chosen: the registry of samplers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blockfront.registry import Registry

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


@dataclass(frozen=True)
class Sampler:
    """A way to choose networks; `make` gives Optuna's sampler for a seed.

    `generation` is how many networks it proposes before it sees the results of any of them. Without it nothing is
    learned from results: the networks are drawn from the space by seed and index, and Optuna's sampler stays unused.
    """

    name: str
    description: str
    make: Callable[[int], BaseSampler]
    generation: int | None = None


def _random(seed: int) -> BaseSampler:
    import optuna

    return optuna.samplers.RandomSampler(seed=seed)


def _nsga2(seed: int) -> BaseSampler:
    import optuna

    return optuna.samplers.NSGAIISampler(seed=seed, population_size=_POPULATION)


def _tpe(seed: int) -> BaseSampler:
    import optuna

    return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


_POPULATION = 20
SAMPLERS: Registry[Sampler] = Registry("sampler")
for _sampler in (
    Sampler("random", "every network drawn on its own, reproducible by seed and index", _random),
    Sampler("nsga2", "Optuna's genetic search for the front, a generation at a time", _nsga2, _POPULATION),
    Sampler("tpe", "Optuna's tree-structured Parzen estimators, a few networks at a time", _tpe, 4),
):
    SAMPLERS.add(_sampler.name, _sampler)
