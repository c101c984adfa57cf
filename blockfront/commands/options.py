"""Options that several commands share."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blockfront.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from blockfront.analysis import Objectives
    from blockfront.study.settings import Settings

Storage = Annotated[str, typer.Option(help="Where studies are kept: an SQLite file or a database URL.")]
Threads = Annotated[int | None, typer.Option(help="Threads on the target (default: all of its cores).")]
DataDir = Annotated[str | None, typer.Option(help="Folder that holds the files of a named data set.")]
Hardware = Annotated[str, typer.Option(help="Hardware: a name of `bench targets`, or file.py:name.")]
Measuring = Annotated[str, typer.Option(help="How to measure: auto, local or rpc.")]
Runner = Annotated[str, typer.Option(help="How to get latencies: auto, or a name of `bench runners`.")]
Workers = Annotated[int | None, typer.Option(help="Worker processes here (default: one a core).")]
Scheduler = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Use the Dask cluster at tcp://HOST:PORT.")]
ProfileMinutes = Annotated[float, typer.Option(help="Limit for compiling and timing one network.")]
SpaceName = Annotated[str, typer.Option(help="Design space: a name of `bench spaces`, or file.py:name.")]
OwnBlocks = Annotated[
    str | None, typer.Option(help="file.py:space whose file defines the blocks of networks, when they are not ours.")
]
TrainingDevice = Annotated[str, typer.Option(help="Where to train: auto, cpu or cuda.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Silent = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing: the file has it all.")]
Tracker = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="TVM tracker that boards are registered with."),
]
Database = Annotated[
    Path | None,
    typer.Option(help="File of tuned kernels (default: tuning/TARGET.jsonl in the cache folder, ~/.cache/bench)."),
]
Toolchain = Annotated[
    str, typer.Option(help="What makes networks ready: auto (the first that can), or a name of `bench toolchains`.")
]
Precision = Annotated[
    str | None, typer.Option(help="Number format to make them ready in (default: the first that the toolchain has).")
]
Fallbacks = Annotated[
    bool, typer.Option("--fallbacks", help="Let networks count whose latency lacks operators that an NPU does not do.")
]
Tuned = Annotated[bool, typer.Option("--tuned", help="Use the kernels that `bench tune` found to be faster.")]
Resolution = Annotated[
    int | None, typer.Option(help="Height and width of the input in pixels (default: the model's own).")
]
InputSize = Annotated[
    str | None,
    typer.Option("--input", metavar="[C×]H×W", help="Input as channels x height x width: 1x224x320, or 224x320."),
]
Channels = Annotated[int | None, typer.Option(help="Channels of the input (default: the model's own, or 3).")]
Cooldown = Annotated[float, typer.Option(metavar="SECONDS", help="Rest of the device before each measurement.")]
Cost = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="What networks are to have little of (default: the studies' own)."),
]
Value = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="What they are to be good at (default: the studies' own).")
]


def objectives(
    cost: str | None, value: str | None, studies: Sequence[Settings], frames: Sequence[pd.DataFrame] = ()
) -> Objectives:
    """The pair of metrics that options name; where they do not, the one that all studies are told.

    Studies that train nothing have the value that networks in their `frames` were given, else their task's. Raises
    UsageError for a pair that is none, and for studies of different ones between which no option decides.
    """
    from blockfront.analysis import OBJECTIVES, Objectives
    from blockfront.tasks import CLASSIFICATION, TASKS

    told = [one.objectives for one in studies]
    costs, values = (list(dict.fromkeys(pair[place] for pair in told if len(pair) > place)) for place in (0, 1))
    for option, given, found in (("--cost", cost, costs), ("--value", value, values)):
        if given is None and len(found) > 1:
            raise UsageError(f"these studies are weighed by {' and '.join(found)}; say by which with {option}")
    known = [task.value for task in TASKS.values() if any(frame[task.value].notna().any() for frame in frames)]
    tasks = {one.space_definition.get("task", CLASSIFICATION) for one in studies}
    untold = [TASKS[name].value for name in tasks if len(tasks) == 1 and name in TASKS]
    return Objectives(cost or costs[0], value or (values or known or untold or [OBJECTIVES.value])[0])


def require_metrics(networks: pd.DataFrame, *asked: str | None) -> None:
    """Raise UsageError for a metric that is asked for and that no complete network of a study has.

    A study without complete networks may get it yet.
    """
    from blockfront.results import METRICS

    complete = networks[networks["state"] == "complete"]
    for study, rows in complete.groupby("study", sort=False):
        for key in filter(None, asked):
            if rows[key].notna().any():
                continue
            had = [name for name in METRICS if METRICS[name].direction == METRICS[key].direction]
            had = [name for name in had if rows[name].notna().any()]
            raise UsageError(
                f"no network of {study} has {key}: "
                + (f"take one of {', '.join(had)}" if had else "bench columns says what it is")
            )


def storage_words(storage: str) -> tuple[str, str]:
    """A storage as it is printed, without a password, and the option by which a next command finds it again."""
    from blockfront.study.storage import DEFAULT_STORAGE, hide_password

    shown = hide_password(storage)
    return shown, "" if storage == DEFAULT_STORAGE else f" --storage {shlex.quote(shown)}"
