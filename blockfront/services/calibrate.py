"""Calibrating the model of a core on a device: which device, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockfront.errors import UsageError
from blockfront.services.device import choose_measuring

if TYPE_CHECKING:
    from blockfront.console.progress import Progress
    from blockfront.targets.latency.calibration import Calibration


def calibrate_device(
    target: str, runner: str, tracker: str | None, threads: int | None, repeats: int, progress: Progress
) -> Calibration:
    """Measure micro-kernels on a device of `target`, then profile and fit them here.

    Raises UsageError for a target that cannot be measured or emulated, before anything is measured.
    """
    from blockfront.targets import get_processor
    from blockfront.targets.latency.calibration.calibration import build_micro_kernels, calibrate_core, measure, steps
    from blockfront.targets.latency.profiler import emulator_obstacle

    processor = get_processor(target)
    meter, options = choose_measuring(processor, runner, tracker, threads)
    obstacle = emulator_obstacle(processor)
    if obstacle is not None:
        raise UsageError(obstacle)
    program = build_micro_kernels(processor)
    with progress.stage("measure", steps(processor, repeats)) as advance:
        measured = measure(program, processor, meter, options, repeats, advance)
    progress.note("profiling the micro-kernels under emulation")
    return calibrate_core(processor, program, measured)
