"""Coefficients of the core model fitted on micro-kernels that a device ran, and profiles of the same code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product, starmap

import msgspec
import numpy as np

from blockfront.targets.compiler.program import Program
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.calibration.microkernels import micro_kernels, parallel_copy, parallel_start
from blockfront.targets.latency.calibration.record import Calibration, Measured, Residual
from blockfront.targets.latency.calibration.timing import build_program, time_kernels
from blockfront.targets.latency.meters.measure import Measures
from blockfront.targets.latency.options import RunOptions
from blockfront.targets.latency.prediction.core_model import WINDOWS, Coefficients, CoreModel, Error, work_of
from blockfront.targets.latency.prediction.core_models import core_model
from blockfront.targets.latency.prediction.fitting import Observation, fit, leave_one_out
from blockfront.targets.latency.prediction.interval import OWN_CODE
from blockfront.targets.latency.profiler import profile_kernels
from blockfront.targets.latency.profiler.counts import Profile

_SESSION_S = 1800
_OWN_DATA = "its own micro-kernels, each kind predicted from the others"
_OUTSIDE = ("L2", "L3", "memory")
OVERLAPS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""From a core that does one thing after the other to one that does all at once."""


def build_micro_kernels(target: Target) -> Program:
    """The micro-kernels for one core of `target`, compiled."""
    return build_program(micro_kernels(target), target, 1)


def measure(
    program: Program,
    target: Target,
    meter: Measures,
    options: RunOptions,
    repeats: int,
    advance: Callable[[], None],
) -> Measured:
    """Run the micro-kernels of `program` on a device `repeats` times, on one thread; then what needs all threads."""
    with meter.session(replace(options, threads=1, timeout_s=_SESSION_S)) as session:
        kernels = time_kernels(program, session, repeats, advance)
        device, conditions = session.name, {**session.conditions, **session.state()}
    copy, start = parallel_copy(target, options.threads), parallel_start(options.threads)
    together = build_program([copy, start], target, options.threads)
    with meter.session(replace(options, timeout_s=_SESSION_S)) as session:
        times = time_kernels(together, session, repeats, advance)
    return Measured(
        device=device,
        threads=options.threads,
        date=datetime.now(UTC).date().isoformat(),
        conditions=conditions,
        kernels=kernels,
        start_ms=times[start.name] if options.threads > 1 else (),
        copy_ms=times[copy.name],
        copied_bytes=copy.bytes // 2,
    )


def steps(target: Target, repeats: int) -> int:
    """How often `measure` advances."""
    return repeats * (len(micro_kernels(target)) + 2)


def calibrate_core(target: Target, program: Program, measured: Measured) -> Calibration:
    """Profile the micro-kernels of `program` under emulation and fit the coefficients on what they took.

    Raises `RunError` when the target's code cannot be emulated here.
    """
    profiles = profile_kernels(program, target)
    return fit_profiles(target, measured, {kernel.name: profiles[kernel.symbol] for kernel in program.kernels})


def fit_profiles(target: Target, measured: Measured, profiles: Mapping[str, Profile]) -> Calibration:
    """The coefficients, and the overlap, that explain the times of kernels by their profiles.

    A kernel's time is its fastest round: other programs only ever add time.
    The error is that of fits on all other kinds of kernels.
    """
    board = measured.apply(target, target.clock_ghz)

    # What a core does with instructions shows where nothing waits for data.
    inside = np.array([not name.endswith(_OUTSIDE) for name in profiles])

    def fitted(overlap: float, window: int) -> tuple[float, Coefficients, list[Observation]]:
        prior = _prior(target, overlap, window)
        observations = [
            Observation(work_of(profile, board, prior), min(measured.kernels[name]), name, measured.device)
            for name, profile in profiles.items()
        ]
        found = fit(observations, prior)
        errors = np.array([_ratio(one, found) - 1 for one in observations])
        return float(np.abs(errors[inside]).mean()), found, observations

    _, coefficients, observations = min(starmap(fitted, product(OVERLAPS, WINDOWS)), key=lambda found: found[0])
    others = leave_one_out(observations, _kind, _prior(target, coefficients.overlap, coefficients.window))
    alone = [abs(ms / one.milliseconds - 1) for one, ms in others]
    model = CoreModel(
        core=str(target.tvm_target.get("mcpu", "")),
        coefficients=coefficients,
        provenance=f"calibrated on {measured.device}, {measured.date}",
        errors=(
            Error(
                median=float(np.median(alone)),
                p90=float(np.quantile(alone, 0.9)),
                n=len(alone),
                data=_OWN_DATA,
                spread=OWN_CODE,
                within_tenth=float(np.mean(np.array(alone) <= 0.1)),
                threads=measured.threads,
            ),
        ),
    )
    residuals = [
        Residual(one.network, one.milliseconds, one.milliseconds * _ratio(one, coefficients)) for one in observations
    ]
    return Calibration(target.name, target.clock_ghz, model, measured, tuple(residuals))


def _ratio(one: Observation, coefficients: Coefficients) -> float:
    return one.work.milliseconds(coefficients.array()) / one.milliseconds


def _kind(one: Observation) -> str:
    """A micro-kernel's name without where its arrays are."""
    return one.network.partition(",")[0]


def _prior(target: Target, overlap: float, window: int) -> Coefficients:
    """The catalogue's coefficients for this core, or what its figures make likely."""
    known = core_model(target)
    if known is not None:
        found = known.coefficients
    else:
        issue, load = 1 / target.fma_per_cycle, 1 / target.loads_per_cycle
        found = Coefficients(issue, issue / 2, load, l1_line=4.0, memory_line_ns=5.0, transfer=1.0)
    return msgspec.structs.replace(
        found,
        dataflow=found.dataflow or 1.0,
        division=found.division or 1.0,
        l2_line=found.l2_line or 2.0 * bool(target.l3_bytes),
        overlap=overlap,
        window=window,
    )
