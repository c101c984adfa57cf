from __future__ import annotations

import math

import numpy as np
import pytest

from blockfront.analysis.statistics import present, resamples


def test_resamples_repeat_for_a_seed_and_differ_between_seeds():
    assert (resamples(50, 20, seed=1) == resamples(50, 20, seed=1)).all()
    assert (resamples(50, 20, seed=1) != resamples(50, 20, seed=2)).any()


def test_presence_says_which_networks_a_resample_holds():
    for mask, rows in zip(present(30, 40, seed=3), resamples(30, 40, seed=3), strict=True):
        assert set(np.flatnonzero(mask)) == set(rows)


def test_a_resample_holds_about_63_percent_of_the_networks():
    assert present(1000, 200, seed=0).mean() == pytest.approx(1 - math.exp(-1), abs=0.005)
