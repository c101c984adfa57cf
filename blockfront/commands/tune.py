"""`bench tune`: faster schedules for the kernels that take most time."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from blockfront.commands.options import (
    Channels,
    Database,
    Debug,
    Hardware,
    InputSize,
    Json,
    Measuring,
    Quiet,
    Resolution,
    Storage,
    Threads,
    Tracker,
)
from blockfront.commands.stopping import stoppable
from blockfront.errors import RunError, UsageError
from blockfront.study.storage import DEFAULT_STORAGE


def tune(
    what: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|NETWORK",
            help="A study (all its complete networks), a network's id or text, or a model as `bench profile` takes it.",
        ),
    ],
    target: Hardware = "host",
    trials: Annotated[int, typer.Option(help="Schedules to try for each kernel, in all.")] = 64,
    kernels: Annotated[int, typer.Option(help="Kernels to tune: those that take most time.")] = 8,
    threads: Threads = None,
    runner: Measuring = "auto",
    tracker: Tracker = None,
    resolution: Resolution = None,
    input_size: InputSize = None,
    channels: Channels = None,
    database: Database = None,
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Search schedules for the kernels that take most time, and keep those that beat the rules' on the device.

    All networks of a target share one database; `bench sample --tuned` and `bench profile --tuned` use it. The same
    command again goes on where it was stopped; more --trials search on.
    """
    from blockfront.console.progress import choose_progress
    from blockfront.console.tables import print_json
    from blockfront.design_space.image_size import ImageSize
    from blockfront.services.device import choose_measuring
    from blockfront.services.tune import longest_tasks, tune_tasks
    from blockfront.study.lookup import find_models
    from blockfront.targets import get_processor
    from blockfront.targets.tuning.database import TuningDatabase

    for option, value in (("--trials", trials), ("--kernels", kernels)):
        if value < 1:
            raise UsageError(f"{option} must be 1 or more, not {value}")
    meter, options = choose_measuring(get_processor(target), runner, tracker, threads)
    models = find_models(what, storage, ImageSize.asked(resolution, input_size, channels))
    kept = TuningDatabase(options.target, options.threads, database)
    progress = choose_progress(quiet=quiet)
    with stoppable():
        tasks, share = longest_tasks(models, meter, options, kernels, progress)
        rows = list(tune_tasks(tasks, meter, options, kept, trials, progress))
    document = {
        "target": options.target.name,
        "threads": options.threads,
        "database": str(kept.path),
        "networks": len(models),
        "share_of_time": share,
        "kernels": rows,
    }
    if json:
        print_json(document)
    else:
        _print(document)
    if all(row["error"] for row in rows):
        raise RunError(f"no kernel could be tuned; the first because: {rows[0]['error']}")


def _print(document: dict[str, Any]) -> None:
    from blockfront.console.tables import print_line, print_table

    rows = document["kernels"]
    print_line(f"target    {document['target']}, threads: {document['threads']}")
    print_line(
        f"networks  {document['networks']}; these kernels are {100 * document['share_of_time']:.0f} % of their time"
    )
    print_line()
    print_table(
        ["kernel", "calls", "rule ms", "tuned ms", "ratio", "95 % interval", "trials", "kept"],
        [
            (row["kernel"], row["calls"], "", "", "", row["error"], "", "no")
            if row["error"]
            else (
                row["kernel"],
                row["calls"],
                f"{row['rule_ms']:.4f}",
                f"{row['tuned_ms']:.4f}",
                f"{row['ratio']:.2f}",
                f"{row['ratio_ci95_low']:.2f} to {row['ratio_ci95_high']:.2f}",
                row["trials"],
                "yes" if row["kept"] else "no",
            )
            for row in rows
        ],
    )
    print_line()
    print_line(f"database  {document['database']}")
