"""Resamples of a sample of networks, for bootstrap intervals of its statistics."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MIN_NETWORKS = 5


def resamples(n: int, draws: int, seed: int) -> NDArray[np.intp]:
    """`draws` resamples of n networks with replacement: row numbers (draws, n), the same for a seed."""
    return np.random.default_rng(seed).integers(0, n, size=(draws, n))


def present(n: int, draws: int, seed: int) -> NDArray[np.bool_]:
    """Which of n networks each resample holds, shape (draws, n); the same resamples as `resamples`."""
    mask = np.zeros((draws, n), dtype=bool)
    np.put_along_axis(mask, resamples(n, draws, seed), True, axis=1)
    return mask


def drawn_together(table: pd.DataFrame) -> bool:
    """Whether networks of a tidy table share skeletons, so that its families are compared in pairs."""
    own = table[table["skeleton"].notna()]
    return len(own) > _units(own).nunique()


def held(table: pd.DataFrame, draws: int, seed: int) -> NDArray[np.bool_]:
    """Which of a tidy table's n networks each resample holds, shape (draws, n).

    Networks that share a skeleton are drawn together, so that a resample has the block of each family in it or of none.
    """
    unit = pd.factorize(_units(table))[0]
    if len(unit) == 0:
        return np.zeros((draws, 0), dtype=bool)
    return present(int(unit.max()) + 1, draws, seed)[:, unit]


def _units(table: pd.DataFrame) -> pd.Series:
    """What is drawn at once with each network: the skeleton of its study, or itself."""
    alone = pd.Series([f"#{row}" for row in range(len(table))], index=table.index, dtype=object)
    shared = table["study"].astype(str) + " " + table["skeleton"].astype(str)
    return shared.where(table["skeleton"].notna(), alone)
