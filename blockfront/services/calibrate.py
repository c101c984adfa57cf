"""Calibrating the model of a core on a device: which device, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockfront.errors import UsageError

if TYPE_CHECKING:
    from blockfront.console.progress import Progress
    from blockfront.targets.latency.calibration import Calibration


def calibrate_device(
    target: str, runner: str, tracker: str | None, threads: int | None, repeats: int, progress: Progress
) -> Calibration:
    """Measure micro-kernels on a device of `target`, then profile and fit them here.

    Raises UsageError for a target that cannot be measured or emulated, before anything is measured.
    """
    from blockfront.sweep.request import choose_measurement
    from blockfront.targets import RUNNERS
    from blockfront.targets.latency.calibration.calibration import build_micro_kernels, calibrate_core, measure, steps
    from blockfront.targets.latency.profiler import emulator_obstacle
    from blockfront.targets.latency.runners.measure import MeasuringRunner

    chosen, options, _ = choose_measurement(target, runner, tracker, threads)
    measuring = RUNNERS[chosen]
    if options.target.is_gpu:
        raise UsageError(f"{options.target.name} is a GPU; bench calibrate is for processors")
    if not isinstance(measuring, MeasuringRunner):
        raise UsageError(
            f"calibrating measures, and runner {chosen} does not: attach a board with key "
            f"{options.target.tracker_key} to a TVM RPC tracker and pass --tracker HOST:PORT"
        )
    obstacle = emulator_obstacle(options.target)
    if obstacle is not None:
        raise UsageError(obstacle)
    program = build_micro_kernels(options.target)
    with progress.stage("measure", steps(options.target, repeats)) as advance:
        measured = measure(program, options.target, measuring, options, repeats, advance)
    progress.note("profiling the micro-kernels under emulation")
    return calibrate_core(options.target, program, measured)
