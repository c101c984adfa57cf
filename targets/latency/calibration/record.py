"""A calibration: what a device said of micro-kernels, and the core model that was fitted to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from blockfront.targets.hardware.target import SHARED, Target
from blockfront.targets.latency.prediction.core_model import CoreModel


class Measured(msgspec.Struct, frozen=True):
    """What a device said: milliseconds of each micro-kernel in every round, and of the two that use all threads.

    `copied_bytes`: what one execution of `copy_ms` copies.
    """

    device: str
    threads: int
    date: str
    conditions: Mapping[str, str]
    kernels: Mapping[str, tuple[float, ...]]
    start_ms: tuple[float, ...]
    copy_ms: tuple[float, ...]
    copied_bytes: int

    @property
    def bandwidth_gbs(self) -> float:
        """10⁹ bytes a second that all threads together copy, each byte counted once."""
        return 1e-6 * self.copied_bytes / min(self.copy_ms)

    @property
    def launch_us(self) -> float:
        """What starting all threads costs; nothing for one thread."""
        return 1e3 * min(self.start_ms) if self.start_ms else 0.0

    def apply(self, target: Target, clock_ghz: float) -> Target:
        """The target with the figures that were measured, and `clock_ghz`."""
        # What starting several threads costs is not known from one.
        launch_us = self.launch_us if self.threads > 1 else target.launch_us
        # What all threads copy together is both what a core's lines are counted in and all that the memory gives.
        copied = self.bandwidth_gbs
        return replace(
            target,
            clock_ghz=clock_ghz,
            bandwidth_gbs=copied,
            memory_gbs=2 * copied / SHARED,
            launch_us=launch_us,
        )


class Residual(msgspec.Struct, frozen=True):
    """What a micro-kernel took, and what the fitted coefficients say it takes."""

    kernel: str
    measured_ms: float
    predicted_ms: float

    @property
    def ratio(self) -> float:
        """Predicted over measured."""
        return self.predicted_ms / self.measured_ms


class Calibration(msgspec.Struct, frozen=True):
    """A core model that was fitted on a device, with what the device said.

    `clock_ghz`: what a cycle of the coefficients is; the device need not have run at it.
    """

    target: str
    clock_ghz: float
    model: CoreModel
    measured: Measured
    residuals: tuple[Residual, ...]

    def apply(self, target: Target) -> Target:
        """The target with the figures that were measured: what `model` is to be used with."""
        return self.measured.apply(target, self.clock_ghz)
