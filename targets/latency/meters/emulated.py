"""A prediction from the target's own code: what it executes under emulation, and a model of the core."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from blockfront.digest import digest
from blockfront.errors import RunError, UsageError
from blockfront.results.latency import Prediction
from blockfront.targets.compiler.program import Program
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.meter import Reservation
from blockfront.targets.latency.meters.predicting import Estimate, PredictsPrograms
from blockfront.targets.latency.options import FLOAT32, INT8, RunOptions
from blockfront.targets.latency.prediction import CoreModel, core_model
from blockfront.targets.latency.prediction.core_model import Error
from blockfront.targets.latency.prediction.core_models import as_predicted
from blockfront.targets.latency.prediction.interval import interval
from blockfront.targets.latency.profiler import (
    architecture_of,
    emulator_obstacle,
    find_emulator,
    profile_kernels,
)


class EmulatedMeter(PredictsPrograms):
    """Per kernel the time of what it executes and fetches under QEMU, by the model of the target's core.

    A kernel is profiled once a machine, alone: its input and output are in the caches as far as they fit, its weights
    in memory.
    """

    name = "emulated"
    predictor = "emulated"
    title = "predicted: the target's own code counted under emulation, timed by a model of its core"

    def check(self, options: RunOptions) -> None:
        """There must be a model of the core and a QEMU for it, which may be fetched."""
        architecture_of(options.target)
        _basis(options)
        find_emulator(options.target)

    def reservation(self, options: RunOptions) -> Reservation | None:
        """What is missing of a model or a QEMU."""
        try:
            self.check(options)
        except (UsageError, RunError) as error:
            return Reservation(str(error))
        return None

    def standing(self, options: RunOptions) -> str:
        """Whether there is a model, and a QEMU or a way to fetch one."""
        try:
            return emulator_obstacle(options.target) or self.how(options)
        except UsageError as error:
            return str(error)

    def how(self, options: RunOptions) -> str:
        """With what is known of its error."""
        return f"from its code under emulation, not measured ({self.prediction(options)})"

    def estimate(self, program: Program, options: RunOptions) -> Estimate:
        """By `CoreModel.milliseconds`, with the interval that the model's errors elsewhere make likely."""
        (model, board), profiles = _basis(options), profile_kernels(program, options.target)
        found = [profiles[kernel.symbol] for kernel in program.kernels]
        calls = [kernel.calls for kernel in program.kernels]
        times = [count * model.milliseconds(profile, board) for count, profile in zip(calls, found, strict=True)]
        prediction, error = self.prediction(options), _error(options)
        if error is not None:
            regions = sum(count * profile.parallel_regions for count, profile in zip(calls, found, strict=True))
            # A calibration measured what regions cost.
            launch_ms = 0.0 if options.calibration else regions * board.launch_us * 1e-3
            low, high, outside = interval(sum(times), launch_ms, error, options.threads)
            prediction = replace(prediction, interval_ms=(low, high), outside=outside)
        return Estimate(times, [profile.total for profile in found], prediction)

    def prediction(self, options: RunOptions) -> Prediction:
        """Where the model of the core is from, and the error it had elsewhere."""
        model, board = _basis(options)
        figures = model.coefficients, board.clock_ghz, board.bandwidth_gbs, board.all_cores_gbs, board.launch_us
        model_digest = digest(msgspec.json.encode(figures), 12)
        error = _error(options)
        if error is None:
            judged = f"; judged in {FLOAT32} alone" if _calibrated_otherwise(options) else ""
            return Prediction(model_digest, model.provenance + judged)
        basis = f"{error.domain}; {model.provenance}"
        return Prediction(model_digest, basis, error.median, error.p90, error.n, error.within_tenth)


def _error(options: RunOptions) -> Error | None:
    """How far the model was off elsewhere: in int8 or, of the published times on cores with float16 arithmetic, in
    float16, or in float32."""
    model, board = _basis(options)
    return None if _calibrated_otherwise(options) else model.error(board.name, options.threads)


def _calibrated_otherwise(options: RunOptions) -> bool:
    """A calibration measures kernels in float32."""
    return options.calibration is not None and options.precision == INT8


def _basis(options: RunOptions) -> tuple[CoreModel, Target]:
    """The model, and the board it is used with: both as calibrated, where there is a calibration."""
    if options.calibration is not None:
        return options.calibration.model, options.calibration.apply(options.target)
    model = core_model(options.target, int8=options.precision == INT8)
    if model is None:
        name = options.target.name
        raise UsageError(
            f"there is no model of the core of {name}: bench calibrate --target {name} makes one where a device is "
            "attached, and --runner roofline needs none"
        )
    return model, as_predicted(options.target)
