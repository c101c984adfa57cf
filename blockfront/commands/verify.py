"""`bench verify`: is the code that a board runs right?"""

from __future__ import annotations

import signal
from typing import Annotated, Any

import typer

from blockfront.commands.options import (
    Channels,
    Database,
    Debug,
    Hardware,
    InputSize,
    Json,
    OwnBlocks,
    Quiet,
    Resolution,
    Storage,
    Threads,
    Tracker,
    Tuned,
)
from blockfront.errors import RunError
from blockfront.plurals import counted
from blockfront.study.storage import DEFAULT_STORAGE


def verify(
    what: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|NETWORK",
            help="A study (all its networks), a network's id or text, or a model as `bench profile` takes it.",
        ),
    ],
    target: Hardware,
    threads: Threads = None,
    precision: Annotated[
        str | None, typer.Option(help="Number format to verify (default: the study's; float32 of a single network).")
    ] = None,
    tracker: Tracker = None,
    tuned: Tuned = False,
    database: Database = None,
    resolution: Resolution = None,
    input_size: InputSize = None,
    channels: Channels = None,
    space: OwnBlocks = None,
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run a board's very code and compare its outputs with torch; exit code 1 when one differs.

    It runs on the boards attached to --tracker, or else on boards in software, which take a download once.
    """
    from blockfront.console.progress import choose_progress
    from blockfront.console.tables import print_json
    from blockfront.design_space.image_size import ImageSize
    from blockfront.services.verify import networks_to_verify, options_for, precision_of
    from blockfront.services.verify import verify as verify_all

    precision = precision or precision_of(what, storage)
    options = options_for(target, tracker, threads, tuned, database, precision)
    subjects = networks_to_verify(what, storage, ImageSize.asked(resolution, input_size, channels), space)
    # What a batch system sends ends boards in software as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rows = verify_all(subjects, options, choose_progress(quiet=quiet))
    if json:
        print_json({"target": options.target.name, "threads": options.threads, "networks": rows})
    else:
        _print(rows)
    wrong = [row for row in rows if row["verdict"] != "agrees"]
    if wrong:
        raise RunError(
            f"{len(wrong)} of {counted(len(rows), 'network')} could not be verified for {options.target.name}"
        )


def _print(rows: list[dict[str, Any]]) -> None:
    from blockfront.console.tables import print_table

    print_table(
        ["network", "family", "relative error", "torch's own", "verdict"],
        [
            (
                row["network_id"] or row["network"],
                row["family"],
                *("" if row[name] is None else f"{row[name]:.1e}" for name in ("max_rel_error", "torch_rel_error")),
                f"{row['verdict']}: {row['error']}" if row["error"] else row["verdict"],
            )
            for row in rows
        ],
    )
