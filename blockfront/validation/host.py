"""Predictions against this machine: networks measured here, profiled under emulation, and compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau

from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.calibration import Calibration
from blockfront.validation.prediction_errors import Accuracy, accuracy, rank_correlation
from blockfront.validation.records import Measurement, Profiles

MACS = (100e6, 600e6)
"""The range inside which ranks are compared: networks that somebody would choose between."""
GOALS = {"median_abs_error": 0.15, "p90_abs_error": 0.35, "kendall": 0.85}


@dataclass(frozen=True)
class Point:
    """A network or kernel: its family or operator, and what it takes by measurement and by prediction."""

    name: str
    group: str
    macs: int
    measured_ms: float
    predicted_ms: float


@dataclass(frozen=True)
class HostReport:
    """How far predictions are from this machine, with the points it is about.

    `kendall` and `kendall_macs` are τ-b of predictions and of MACs against measured times, inside `MACS`, and None
    where fewer than three networks are; `sum_over_whole` is the geometric mean of kernels' measured times together
    over the network's own.
    """

    target: str
    threads: int
    device: str
    model: str
    networks: Accuracy | None
    spearman_macs: float | None
    in_range: int
    kendall: float | None
    kendall_macs: float | None
    sum_over_whole: float
    families: Mapping[str, Accuracy]
    operators: Mapping[str, Accuracy]
    network_points: Sequence[Point]
    kernel_points: Sequence[Point]


def judge(
    target: Target,
    threads: int,
    calibration: Calibration,
    measured: Mapping[str, Measurement],
    profiled: Mapping[str, Profiles],
) -> HostReport:
    """Compare what is both measured and profiled with what the calibrated model predicts."""
    board, model = calibration.apply(target), calibration.model
    networks: list[Point] = []
    kernels: dict[str, Point] = {}
    sums: list[float] = []
    for name in measured:
        if name not in profiled:
            continue
        network, profiles = measured[name], profiled[name].kernels
        predicted = {symbol: model.milliseconds(profile, board) for symbol, profile in profiles.items()}
        total = sum(kernel.calls * predicted[kernel.symbol] for kernel in network.kernels)
        networks.append(Point(name, network.family, network.macs, network.ms, total))
        sums.append(network.kernels_over_whole)
        for kernel in network.kernels:
            point = Point(kernel.symbol, kernel.operator, kernel.macs, kernel.ms, predicted[kernel.symbol])
            kernels.setdefault(kernel.symbol, point)
    inside = [point for point in networks if MACS[0] <= point.macs <= MACS[1]]
    return HostReport(
        target=target.name,
        threads=threads,
        device=", ".join(sorted({record.device for record in measured.values()})),
        model=model.provenance,
        networks=_accuracy(networks),
        spearman_macs=_spearman_macs(networks),
        in_range=len(inside),
        kendall=_kendall(inside, lambda point: point.predicted_ms),
        kendall_macs=_kendall(inside, lambda point: point.macs),
        sum_over_whole=float(np.exp(np.log(sums).mean())) if sums else float("nan"),
        families=_by_group(networks),
        operators=_by_group(kernels.values()),
        network_points=networks,
        kernel_points=list(kernels.values()),
    )


def _by_group(points: Iterable[Point]) -> dict[str, Accuracy]:
    groups: dict[str, list[Point]] = defaultdict(list)
    for point in points:
        groups[point.group].append(point)
    return {name: found for name in sorted(groups) if (found := _accuracy(groups[name])) is not None}


def _accuracy(points: Sequence[Point]) -> Accuracy | None:
    return accuracy([point.predicted_ms for point in points], [point.measured_ms for point in points])


def _spearman_macs(points: Sequence[Point]) -> float | None:
    return rank_correlation([point.macs for point in points], [point.measured_ms for point in points])


def _kendall(points: Sequence[Point], of: Callable[[Point], float]) -> float | None:
    if len(points) < 3:
        return None
    found = kendalltau([of(point) for point in points], [point.measured_ms for point in points]).statistic
    return None if np.isnan(found) else float(found)
