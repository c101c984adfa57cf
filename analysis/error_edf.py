"""Error distributions of families, plain and at equal complexity (Radosavovic 2019, arXiv 1905.13214)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blockfront.errors import UsageError


def edf(error: ArrayLike, weights: ArrayLike | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distinct errors e in rising order, and the weighted share of networks with an error of at most e.

    The paper's F(e) counts errors below e; at the step points returned here both describe the same curve.
    Without weights each network counts 1/n. Points with NaN are left out.
    """
    errors = np.asarray(error, dtype=np.float64)
    shares = np.ones(len(errors)) if weights is None else np.asarray(weights, dtype=np.float64)
    keep = np.isfinite(errors) & np.isfinite(shares)
    errors, shares = errors[keep], shares[keep]
    if len(errors) == 0 or shares.sum() <= 0:
        return np.zeros(0), np.zeros(0)
    steps, group = np.unique(errors, return_inverse=True)
    heights = np.bincount(group.reshape(-1), weights=shares / shares.sum())
    return steps, np.cumsum(heights)


def complexity_weights(
    complexity: Mapping[str, Sequence[float] | NDArray[np.float64]], bins: int = 3
) -> dict[str, NDArray[np.float64]]:
    """Weights that give all families one distribution of complexity: 1 / (k m_j) in bin j of m_j networks.

    Bins hold equal shares of all families' networks together. A bin that some family has no network in is
    dropped for all, so that families are compared only where each has networks; k counts the bins left.
    Weights of a family sum to 1, or to 0 where no bin is left. Raises UsageError for fewer than one bin.
    """
    if bins < 1:
        raise UsageError(f"a normalised error distribution needs at least one bin, not {bins}")
    values = {name: np.asarray(numbers, dtype=np.float64) for name, numbers in complexity.items()}
    pooled = np.concatenate([*values.values(), np.zeros(0)])
    pooled = pooled[np.isfinite(pooled)]
    if len(pooled) == 0:
        return {name: np.zeros(len(numbers)) for name, numbers in values.items()}
    inner = np.quantile(pooled, np.linspace(0, 1, bins + 1)[1:-1])
    number = {
        name: np.where(np.isfinite(numbers), np.searchsorted(inner, numbers, side="right"), -1)
        for name, numbers in values.items()
    }
    counts = {name: np.bincount(index[index >= 0], minlength=bins) for name, index in number.items()}
    shared = np.all([count > 0 for count in counts.values()], axis=0)
    k = int(shared.sum())
    weights = {}
    for name, index in number.items():
        per_bin = np.array([1 / (k * m) if ok else 0.0 for m, ok in zip(counts[name], shared, strict=True)])
        weights[name] = np.where(index >= 0, per_bin[index], 0.0)
    return weights
