"""Intervals of networks that were trained several times."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from blockfront.analysis.families import best_at_budgets, family_table, lead
from blockfront.analysis.frame import tidy
from blockfront.analysis.metrics import OBJECTIVES
from blockfront.analysis.pareto import front_masks
from blockfront.analysis.seeds import covered, drawn_gains, seed_deviation
from blockfront.analysis.speedup import speedups


@pytest.fixture
def networks() -> pd.DataFrame:
    """Two families of ten networks, one a little better, each trained once."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "network_id": f"{family}{i}",
            "family": family,
            "state": "complete",
            "latency_ms": 1.0 + i,
            "top1": 0.7 + 0.02 * i + better + 0.002 * rng.standard_normal(),
            "trainings": 1,
        }
        for family, better in (("one", 0.0), ("two", 0.01))
        for i in range(10)
    ]
    return pd.DataFrame(rows)


def _reseeded(networks: pd.DataFrame, deviation: float, trainings: int = 4) -> pd.DataFrame:
    return networks.assign(trainings=trainings, top1_seed_sd=deviation)


def test_the_deviation_is_pooled_over_the_networks_by_their_seeds() -> None:
    """By hand: (2 · 0.01² + 1 · 0.04²) / 3."""
    rows = pd.DataFrame({"top1": [0.8, 0.9, 0.7], "top1_seed_sd": [0.01, 0.04, None], "trainings": [3, 2, 1]})
    assert seed_deviation(tidy(rows), "top1") == pytest.approx(math.sqrt((2 * 0.01**2 + 0.04**2) / 3))
    assert math.isnan(seed_deviation(tidy(rows.iloc[2:]), "top1"))


def test_drawn_values_vary_as_means_over_so_many_seeds_do(networks: pd.DataFrame) -> None:
    table = tidy(_reseeded(networks, 0.02))
    drawn = drawn_gains(table, OBJECTIVES, 4000, 0)
    assert drawn.mean(axis=0) == pytest.approx(table["top1"].to_numpy(), abs=0.001)
    assert drawn.std(axis=0) == pytest.approx(0.01, rel=0.1)  # 0.02 / √4
    assert (drawn == drawn_gains(table, OBJECTIVES, 4000, 0)).all()
    once = tidy(networks)
    assert (drawn_gains(once, OBJECTIVES, 4000, 0) == once["top1"].to_numpy()).all()


def test_the_front_of_each_draw_is_that_of_its_own_values() -> None:
    cost, held = np.array([1.0, 2.0, 3.0]), np.ones((2, 3), dtype=bool)
    masks = front_masks(cost, np.array([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]]), held)
    assert masks.tolist() == [[True, True, True], [True, False, False]]


def test_luck_of_training_widens_what_is_said_of_families(networks: pd.DataFrame) -> None:
    noisy = _reseeded(networks, 0.04)
    once, several = lead(networks, 10.0), lead(noisy, 10.0)
    assert once is not None
    assert several is not None
    assert several.margin == once.margin
    assert several.margin_high - several.margin_low > once.margin_high - once.margin_low
    assert several.leads < once.leads
    few, many = (speedups(frame).iloc[0] for frame in (networks, noisy))
    assert many["speedup"] == few["speedup"]
    assert many["speedup_high"] - many["speedup_low"] > few["speedup_high"] - few["speedup_low"]


def test_a_seed_can_make_a_best_value_better_and_a_resample_of_networks_cannot(networks: pd.DataFrame) -> None:
    once, several = (best_at_budgets(frame, [10.0]) for frame in (networks, _reseeded(networks, 0.04)))
    assert (once["value_high"] == once["value"]).all()
    assert (several["value_high"] > several["value"]).all()
    volumes = family_table(_reseeded(networks, 0.04))
    assert (volumes["hypervolume_high"] > volumes["hypervolume"]).all()


def test_intervals_say_what_they_cover(networks: pd.DataFrame) -> None:
    assert covered(tidy(networks), OBJECTIVES).startswith("which networks were sampled, not training or timing noise")
    assert "the seeds of their trainings" in covered(tidy(_reseeded(networks, 0.01)), OBJECTIVES)
