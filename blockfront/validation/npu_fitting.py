"""Fitting the rates of an NPU on published latencies, and which rows those are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import least_squares

from blockfront.targets import FittedNpu
from blockfront.targets.latency.accelerators.fitted import fitted_ms
from blockfront.targets.latency.accelerators.workload import Workload

SCALE = 0.1
"""Errors beyond this, in logarithms, count by their size and no longer by its square."""


def fitted_on(published: Sequence[str]) -> frozenset[str]:
    """Of the networks in a table those that rates are fitted on: every second by name, the first of all among them."""
    return frozenset(sorted(published)[::2])


def fit_rates(npu: FittedNpu, networks: Sequence[tuple[Workload, float]]) -> FittedNpu:
    """`npu` with the rates that these networks' published milliseconds speak for.

    They minimise the sum of soft absolute errors ("soft_l1") of the logarithms; `npu` is where the search begins, which
    knows no chance.
    """
    measured = np.log([milliseconds for _, milliseconds in networks])

    def with_rates(logarithms: np.ndarray) -> FittedNpu:
        return replace(npu, **dict(zip(npu.rates, np.exp(logarithms).tolist(), strict=True)))

    def errors(logarithms: np.ndarray) -> np.ndarray:
        trial = with_rates(logarithms)
        return np.log([fitted_ms(workload, trial) for workload, _ in networks]) - measured

    begin = np.log([getattr(npu, rate) for rate in npu.rates])
    return with_rates(least_squares(errors, begin, loss="soft_l1", f_scale=SCALE, diff_step=1e-4).x)
