"""`bench calibrate`: a core's coefficients from the device itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blockfront.commands.options import Debug, Hardware, Json, Measuring, Quiet, Threads, Tracker
from blockfront.commands.stopping import stoppable
from blockfront.errors import UsageError
from blockfront.plurals import counted

if TYPE_CHECKING:
    from blockfront.targets.latency.calibration import Calibration
    from blockfront.targets.latency.prediction import CoreModel


def calibrate(
    target: Hardware,
    runner: Measuring = "auto",
    tracker: Tracker = None,
    threads: Threads = None,
    repeats: Annotated[int, typer.Option(help="How often each micro-kernel is measured.")] = 15,
    output: Annotated[
        Path | None,
        typer.Option(help="File to keep it in (default: calibration/TARGET/DEVICE.json in the cache folder)."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure micro-kernels on an attached device or on this machine, and fit the model of its core to them.

    Predictions for the target use the result from then on, and say so.
    """
    import msgspec

    from blockfront.console.progress import choose_progress
    from blockfront.console.tables import print_json
    from blockfront.services.calibrate import calibrate_device
    from blockfront.targets import get_target
    from blockfront.targets.latency.calibration import save_calibration
    from blockfront.targets.latency.prediction import core_model

    if repeats < 1:
        raise UsageError(f"--repeats must be 1 or more, not {repeats}")
    with stoppable():
        found = calibrate_device(target, runner, tracker, threads, repeats, choose_progress(quiet=quiet))
    path = save_calibration(found, output)
    if json:
        print_json(msgspec.to_builtins(found) | {"file": str(path)})
    else:
        _print(found, core_model(get_target(target)), path)


def _print(found: Calibration, known: CoreModel | None, path: Path) -> None:
    from blockfront.console.tables import print_line, print_table
    from blockfront.targets.latency.prediction.core_model import UNITS

    measured = found.measured
    print_line(f"target    {found.target}, {found.model.provenance}, threads: {measured.threads}")
    started = (
        f"; starting {counted(measured.threads, 'thread')} takes {measured.launch_us:.1f} µs"
        if measured.start_ms
        else ""
    )
    print_line(f"memory    {measured.bandwidth_gbs:.2f} GB/s copied{started}")
    print_line()
    header = ["coefficient", "calibrated", "catalogue", "unit"]
    print_table(header, [_coefficient(name, found.model, known, unit) for name, unit in UNITS.items()])
    print_line()
    print_table(
        ["micro-kernel", "measured ms", "predicted ms", "ratio"],
        [
            (one.kernel, f"{one.measured_ms:.4f}", f"{one.predicted_ms:.4f}", f"{one.ratio:.2f}")
            for one in found.residuals
        ],
    )
    print_line()
    for error in found.model.errors:
        print_line(
            f"error     median {100 * error.median:.0f} %, 90th percentile {100 * error.p90:.0f} %, of {error.data}"
        )
    print_line(f"kept in   {path}")


def _coefficient(name: str, found: CoreModel, known: CoreModel | None, unit: str) -> tuple[Any, ...]:
    theirs = "-" if known is None else f"{getattr(known.coefficients, name):.3g}"
    return name, f"{getattr(found.coefficients, name):.3g}", theirs, unit
