"""What every registered sampler promises to a sweep."""

from __future__ import annotations

import optuna
import pytest

from blockfront.sweep.samplers import SAMPLERS


def _proposals(name: str, seed: int) -> list[int]:
    study = optuna.create_study(sampler=SAMPLERS[name].make(seed))
    return [study.ask().suggest_int("width", 1, 10**6) for _ in range(4)]


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_seed_decides_what_a_sampler_proposes(name: str) -> None:
    assert _proposals(name, 1) == _proposals(name, 1) != _proposals(name, 2)


def test_a_generation_of_the_genetic_search_is_its_population() -> None:
    made = SAMPLERS["nsga2"].make(0)
    assert isinstance(made, optuna.samplers.NSGAIISampler)
    assert made.population_size == SAMPLERS["nsga2"].generation


def test_the_help_of_a_sweep_describes_every_sampler(bench) -> None:
    said = " ".join(bench("sample", "--help").output.replace("│", " ").split())
    assert all(f"{name}:" in said for name in SAMPLERS)
