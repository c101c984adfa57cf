"""What is asked for a latency, and what toolchains and meters make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blockfront.targets.hardware.accelerator import Accelerator
from blockfront.targets.hardware.ethos import EthosU
from blockfront.targets.hardware.fitted import FittedNpu
from blockfront.targets.hardware.hardware import Hardware
from blockfront.targets.hardware.target import Target
from blockfront.targets.hardware.zigzag_files import Description

if TYPE_CHECKING:
    from blockfront.targets.latency.calibration import Calibration

FLOAT32 = "float32"
"""The number format that networks are defined and trained in."""
FLOAT16 = "float16"
"""That of networks whose values are rounded to 16 bits where a processor computes with such (docs/float16.md)."""
INT8 = "int8"
"""That of networks whose convolutions and linear layers are quantised (`targets/quantization`)."""

Traces = Callable[[Target, int], Mapping[str, str]]
"""Finds traces of tuned kernels, by the symbol of the kernel they are for, for so many threads of a target."""


@dataclass(frozen=True)
class Asked:
    """What somebody asks for, before it is known who serves it; None, and a cooldown of 0, where nothing is asked.

    `precision` is the number format to prepare networks in, None the toolchain's first. `traces` finds the kernels
    of `bench tune`. The others are as in `RunOptions`.
    """

    hardware: Hardware
    threads: int | None = None
    precision: str | None = None
    tracker: str | None = None
    cooldown_s: float = 0.0
    traces: Traces | None = None

    @property
    def given(self) -> tuple[str, ...]:
        """The options, by their names on the command line, that only some have a use for and that were given."""
        options = {"tracker": self.tracker, "cooldown": self.cooldown_s or None, "tuned": self.traces}
        return tuple(name for name, value in options.items() if value is not None)


@dataclass(frozen=True)
class RunOptions:
    """How to run: on which target, and for how long each visit measures.

    A visit lets the device rest for `cooldown_s`, warms up, then repeats for at least `seconds` and at least `repeats`
    samples; a sample is the mean over as many inferences as take `sample_ms`. A device is waited for `wait_s`, and may
    take `timeout_s` for all it is asked in a session, rest excluded. `tuned`: traces of `bench tune` by the symbol of
    the kernel they are for; None for networks whose schedules are all by rule. `calibration`: what `bench calibrate`
    found on a device of the target, for predictions; None for the model that the suite brings. `toolchain` is the one
    that makes networks ready, in the number format `precision`.
    """

    target: Target
    threads: int
    tracker: str | None = None
    seconds: float = 0.3
    repeats: int = 10
    sample_ms: float = 5.0
    cooldown_s: float = 0.0
    timeout_s: float = 120.0
    wait_s: float = 300.0
    tuned: Mapping[str, str] | None = None
    calibration: Calibration | None = None
    toolchain: str = "tvm"
    precision: str = FLOAT32


@dataclass(frozen=True)
class EstimateOptions:
    """For which NPU; it has no threads to choose."""

    target: EthosU
    toolchain: str = "vela"
    precision: str = INT8
    threads: None = None
    tuned: None = None


@dataclass(frozen=True)
class SimulationOptions:
    """On which accelerator, with its files' text; an accelerator has no threads to choose."""

    target: Accelerator
    description: Description
    toolchain: str = "zigzag"
    precision: str = FLOAT32
    threads: None = None
    tuned: None = None


@dataclass(frozen=True)
class FittedOptions:
    """For which NPU, whose fitted rates are its own; it has no threads to choose."""

    target: FittedNpu
    toolchain: str = "layers"
    precision: str = FLOAT32
    threads: None = None
    tuned: None = None
