"""`bench sample`: from a design space to a front."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blockfront.commands.options import (
    Cooldown,
    Database,
    DataDir,
    Debug,
    Hardware,
    Json,
    Precision,
    ProfileMinutes,
    Quiet,
    Runner,
    Scheduler,
    SpaceName,
    Storage,
    Threads,
    Toolchain,
    Tracker,
    TrainingDevice,
    Tuned,
    Workers,
    storage_words,
)
from blockfront.commands.stopping import stoppable
from blockfront.errors import RunError, UsageError
from blockfront.plurals import counted
from blockfront.study.storage import DEFAULT_STORAGE
from blockfront.sweep.samplers import SAMPLERS

if TYPE_CHECKING:
    import pandas as pd

    from blockfront.console.progress import Progress
    from blockfront.sweep.plan import SweepPlan

_SAMPLERS = "; ".join(f"{name}: {sampler.description}" for name, sampler in SAMPLERS.registered.items())


def sample(
    n: Annotated[int, typer.Option("--n", "-n", help="Networks in the study, in all.")] = 20,
    target: Hardware = "host",
    space: SpaceName = "mobile",
    dataset: Annotated[
        str | None,
        typer.Option(help="Data to train on: a name of `bench datasets`, or folder:PATH (default: fashion_mnist)."),
    ] = None,
    data_dir: DataDir = None,
    resolution: Annotated[int | None, typer.Option(help="Input size in pixels (default: the data set's).")] = None,
    recipe: Annotated[str, typer.Option(help="How to train: a name of `bench recipes`, or file.py:NAME.")] = "quick",
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change a field of the recipe; repeatable.")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Start from these: a name of `bench pretrained`, or timm:NAME."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images (default: the recipe's).")] = None,
    train_seeds: Annotated[
        int, typer.Option(help="Trainings of each network, with --seed and the seeds after it.")
    ] = 1,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="front|EPOCHS", help="Stop trainings that cannot reach the front, or train so many epochs in all."
        ),
    ] = None,
    prune: Annotated[
        float | None,
        typer.Option(
            metavar="AP",
            help="Leave anchors out of each trained detector that may lose so much AP, such as 0.02.",
        ),
    ] = None,
    keep: Annotated[str, typer.Option(help="Weights to keep beside the storage: front, all or none.")] = "front",
    cost: Annotated[
        str, typer.Option(metavar="COLUMN", help="What networks are to have little of, such as latency_ms or macs.")
    ] = "latency_ms",
    value: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="What they are to be good at (default: their task's first).")
    ] = None,
    device: TrainingDevice = "auto",
    no_train: Annotated[bool, typer.Option("--no-train", help="Latency alone.")] = False,
    toolchain: Toolchain = "auto",
    precision: Precision = None,
    quantize: Annotated[
        str,
        typer.Option(help="How trained networks become int8: ptq (ranges alone), or qat (an epoch of training more)."),
    ] = "ptq",
    runner: Runner = "auto",
    tracker: Tracker = None,
    threads: Threads = None,
    cooldown: Cooldown = 0,
    tuned: Tuned = False,
    database: Database = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    storage: Storage = DEFAULT_STORAGE,
    study: Annotated[
        str | None,
        typer.Option(help="Name of it (default: SPACE-TARGET[-PRECISION][-qat][-tuned][-TOOLCHAIN][-pairs][-pruned])."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of sampling, weights and training.")] = 0,
    sampler: Annotated[str, typer.Option(help=f"How networks are chosen. {_SAMPLERS}.")] = "random",
    pair: Annotated[
        bool, typer.Option("--pair", help="Draw a skeleton at a time, each family's block in it: families in pairs.")
    ] = False,
    profile_minutes: ProfileMinutes = 20,
    train_minutes: Annotated[float, typer.Option(help="Limit for training one network.")] = 24 * 60,
    report: Annotated[Path, typer.Option(help="The report to write.")] = Path("report.html"),
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Sample networks, compile, time and train them, and print the front of accuracy against latency.

    Other metrics may take the place of these two: --cost and --value.

    The same command again goes on where it was stopped; a larger --n extends the study.
    """
    from blockfront.console.progress import choose_progress
    from blockfront.study.export import require_folder
    from blockfront.study.storage import load
    from blockfront.sweep.fork_server import start_fork_server
    from blockfront.sweep.plan import resolve
    from blockfront.sweep.request import Request

    if weights is not None and no_train:
        raise UsageError("--weights is what trainings start from, and --no-train has none; leave one of the two out")
    request = Request(
        n=n,
        target=target,
        space=space,
        dataset=dataset,
        data_dir=data_dir,
        resolution=resolution,
        recipe=recipe,
        changes=(*(changes or ()), *([] if weights is None else [f"weights={weights}"])),
        epochs=epochs,
        train_seeds=train_seeds,
        budget=budget,
        prune=prune,
        keep=keep,
        cost=cost,
        value=value,
        device=device,
        train=not no_train,
        toolchain=toolchain,
        precision=precision,
        quantize=quantize,
        runner=runner,
        tracker=tracker,
        threads=threads,
        cooldown=cooldown,
        tuned=tuned,
        database=database,
        workers=workers,
        scheduler=scheduler,
        storage=storage,
        study=study,
        seed=seed,
        sampler=sampler,
        pair=pair,
        profile_minutes=profile_minutes,
        train_minutes=train_minutes,
    )
    progress = choose_progress(quiet=quiet)
    require_folder(report)
    if request.scheduler is None:
        start_fork_server()
    plan = resolve(request)
    _sweep(plan, progress, debug)
    frame = load(plan.study, storage)
    _write_report(plan, frame, report)
    if json:
        _print_document(plan, frame, report)
    else:
        _print_summary(plan, frame, report)
    require_success(frame)


def _sweep(plan: SweepPlan, progress: Progress, debug: bool) -> None:
    from blockfront.sweep.run import run_sweep

    with stoppable():
        done = run_sweep(plan, progress, debug=debug)
    if done.worked_on == 0:
        progress.note(f"study {plan.study} has its {counted(plan.request.n, 'network')} already")
    if done.reused:
        progress.note(f"reused, because they were in the storage already: {counted(done.reused, 'accuracy')}")


def _write_report(plan: SweepPlan, frame: pd.DataFrame, path: Path) -> None:
    from blockfront.analysis import write_report
    from blockfront.commands.options import objectives
    from blockfront.commands.results import provenance_of

    chosen = objectives(None, None, [plan.settings])
    write_report(frame, path, objectives=chosen, provenance=provenance_of([plan.study], plan.request.storage))


def _best(plan: SweepPlan, frame: pd.DataFrame) -> pd.DataFrame:
    """The front; without training, the networks of least cost."""
    from blockfront.analysis import front

    complete = frame[frame["state"] == "complete"]
    cost, *values = plan.settings.objectives
    if values and complete[values[0]].notna().any():
        return front(complete, cost, values[0])
    return complete.sort_values(cost).head(10)


def _print_document(plan: SweepPlan, frame: pd.DataFrame, path: Path) -> None:
    from blockfront.console.tables import failures_by_reason, print_json
    from blockfront.results.table import to_records
    from blockfront.study.storage import hide_password

    trains = plan.settings.trains
    document: dict[str, Any] = {
        "study": plan.study,
        "storage": hide_password(plan.request.storage),
        "report": str(path),
        "objectives": list(plan.settings.objectives),
        "front": [str(network_id) for network_id in _best(plan, frame)["network_id"]] if trains else [],
        "failures": failures_by_reason(frame),
        "networks": to_records(frame),
    }
    print_json(document)


def _print_summary(plan: SweepPlan, frame: pd.DataFrame, path: Path) -> None:
    from blockfront.analysis import Objectives
    from blockfront.analysis.headline import stopped_sentence, unpruned_sentence
    from blockfront.console import tables
    from blockfront.design_space.constraints import broken_by_count
    from blockfront.results import METRICS
    from blockfront.sweep.quantizing import LEAST_DB

    study, request = plan.study, plan.request
    dataset = request.dataset or plan.settings.dataset
    best = _best(plan, frame)
    states = frame["state"].value_counts()
    order = ("complete", "stopped", "rejected", "failed", "running")
    finished = ", ".join(f"{states[state]} {state}" for state in order if state in states)
    cost, *values = (METRICS[name] for name in plan.settings.objectives)
    kind = f"networks, {cost.superlative} first"
    if values:
        kind = f"front of {values[0].short} on {dataset} against {cost.label}"
    tables.print_line(f"{study}: {counted(len(frame), 'network')}, {finished}")
    if len(best):
        tables.print_line()
        shown_by = plan.settings.objectives
        tables.print_table(tables.front_columns(best, *shown_by), tables.front_rows(best, *shown_by), title=kind)
    for reason, count in tables.failures_by_reason(frame).items():
        tables.print_line(f"{count} failed: {reason}")
    if len(rejected := frame["rejected"].dropna()):
        reasons = ", ".join(f"{broken} ({count})" for broken, count in broken_by_count(rejected))
        share = f"{len(rejected) / len(frame):.0%}"
        tables.print_line(f"{len(rejected)} of {len(frame)} rejected ({share}): {reasons}")
    for line in stopped_sentence(frame, Objectives(*plan.settings.objectives)) if values else ():
        tables.print_line(line)
    for line in unpruned_sentence(frame, plan.settings.prune):
        tables.print_line(line)
    if noisy := int((frame["snr_db"] < LEAST_DB).sum()):
        tables.print_line(f"{noisy} of {len(frame)} keep less than {LEAST_DB} dB of their outputs in int8: snr_db")
    storage, option = storage_words(request.storage)
    tables.print_line()
    tables.print_line(f"report   {path}")
    tables.print_line(f"study    {study} in {storage}")
    following = [f"bench export {shlex.quote(study)} networks.csv{option}"]
    if len(best):
        following.insert(0, f"bench show {best.iloc[0]['network_id']}{option}")
    for label, command in zip(("next", ""), following, strict=False):
        tables.print_line(f"{label:<9}{command}")


def require_success(frame: pd.DataFrame) -> None:
    """Raise RunError when no network of a study came through, with the first one's reason."""
    if (frame["state"] == "rejected").all():
        raise RunError(
            f"none of {counted(len(frame), 'network')} was taken; the first because {frame['rejected'].iloc[0]}"
        )
    if (frame["state"] == "failed").all():
        raise RunError(f"none of {counted(len(frame), 'network')} came through; the first: {frame['error'].iloc[0]}")
