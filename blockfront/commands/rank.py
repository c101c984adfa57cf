"""`bench rank`: which known network to take."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blockfront.commands.options import (
    Cooldown,
    Database,
    DataDir,
    Debug,
    Hardware,
    InputSize,
    Json,
    Precision,
    ProfileMinutes,
    Quiet,
    Runner,
    Scheduler,
    Storage,
    Threads,
    Toolchain,
    Tracker,
    Tuned,
    Workers,
    storage_words,
)
from blockfront.commands.stopping import stoppable
from blockfront.study.storage import DEFAULT_STORAGE

if TYPE_CHECKING:
    import pandas as pd

    from blockfront.analysis import Choice, Objectives
    from blockfront.services.rank import Ranked
    from blockfront.sweep.plan import SweepPlan


def rank(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="timm names or patterns ('mobilenet*'), torchvision:NAME, file.py:factory, networks' texts, "
            "and lists of them: @FILE or FILE.txt.",
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All whose latency comes with the package: their front, in seconds.")
    ] = False,
    target: Hardware = "host",
    within: Annotated[str | None, typer.Option(metavar="TIME", help="Budget of latency, such as 33ms or 0.5s.")] = None,
    fps: Annotated[float | None, typer.Option(help="The same as images a second.")] = None,
    accuracy: Annotated[
        str, typer.Option(help="imagenet (timm's published results), none, or a CSV file of name and accuracy.")
    ] = "imagenet",
    dataset: Annotated[
        str | None,
        typer.Option(help="Images to time post-processing of trained detectors on, as scenes, coco:PATH or voc:PATH."),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="With --dataset, trained weights of torchvision's NAME; repeatable."),
    ] = None,
    data_dir: DataDir = None,
    input_size: InputSize = None,
    threads: Threads = None,
    top: Annotated[int, typer.Option(help="Rows of the table to print.")] = 20,
    toolchain: Toolchain = "auto",
    precision: Precision = None,
    runner: Runner = "auto",
    tracker: Tracker = None,
    cooldown: Cooldown = 0,
    tuned: Tuned = False,
    database: Database = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    storage: Storage = DEFAULT_STORAGE,
    study: Annotated[
        str | None, typer.Option(help="Name of it (default: known-TARGET[-PRECISION][-tTHREADS][-tuned]).")
    ] = None,
    profile_minutes: ProfileMinutes = 20,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say which known network to take: the most accurate one within a budget of latency.

    Networks that the study lacks are profiled as in `bench sample`; report, export and compare take the study.
    """
    from blockfront.analysis import Objectives, choose_network
    from blockfront.commands.sample import require_success
    from blockfront.console.progress import choose_progress
    from blockfront.errors import UsageError
    from blockfront.services.accuracy import Accuracies
    from blockfront.services.rank import (
        budget_ms,
        models_of_table,
        plan_ranking,
        rank_networks,
        trained_detectors,
        weights_by_name,
    )
    from blockfront.sweep.request import Request

    if top < 0:
        raise UsageError(f"--top must be 0 or more, not {top}")
    budget = budget_ms(within, fps)
    accuracies = Accuracies(accuracy)
    trained = trained_detectors(dataset, weights_by_name(weights or ()), data_dir)
    progress = choose_progress(quiet=quiet)
    request = Request(
        models=tuple(models or ()),
        input=input_size,
        target=target,
        train=False,
        toolchain=toolchain,
        precision=precision,
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
        profile_minutes=profile_minutes,
    )
    if everything:
        request = replace(request, models=(*request.models, *models_of_table(request)))
    elif not models:
        raise UsageError("name at least one model, such as mobilenetv3_small_100 or 'mobilenet*', or give --all")
    plan = plan_ranking(request)
    with stoppable():
        ranked = rank_networks(plan, accuracies, progress, trained, debug=debug)
    objectives = Objectives(ranked.cost, ranked.value)
    choice = choose_network(ranked.frame, float("inf") if budget is None else budget, objectives)
    if json:
        _print_document(plan, ranked, objectives, choice, budget)
    else:
        _print(plan, ranked, objectives, choice, budget, top, front_alone=everything)
    require_success(ranked.frame)


def _in_order(frame: pd.DataFrame, objectives: Objectives) -> pd.DataFrame:
    order = [objectives.value, objectives.cost]
    return frame.sort_values(order, ascending=[False, True], na_position="last")


def _print(
    plan: SweepPlan,
    ranked: Ranked,
    objectives: Objectives,
    choice: Choice,
    budget: float | None,
    top: int,
    front_alone: bool,
) -> None:
    from blockfront.analysis import answer_lines, front, tidy
    from blockfront.console import tables
    from blockfront.results.table import network_name

    frame = tidy(ranked.frame)
    complete = _in_order(frame[frame["state"] == "complete"], objectives)
    if front_alone and choice.by_value:
        complete = front(frame)
    if len(complete):
        for line in answer_lines(choice, frame, budget, objectives):
            tables.print_line(line)
        tables.print_line()
        rows = _rows(complete.head(top), objectives)
        tables.print_table(list(rows[0]) if rows else [], [list(row.values()) for row in rows])
        if len(complete) > len(rows):
            tables.print_line(f"and {len(complete) - len(rows)} more: --top {len(complete)}")
        if front_alone and choice.by_value:
            tables.print_line("The front: each of the others is no faster and no more accurate than one of these.")
    for line in ranked.notes:
        tables.print_line(line)
    for _, row in frame[frame["state"] == "failed"].iterrows():
        tables.print_line(f"failed   {network_name(row)}: {row['error']}")
    storage, option = storage_words(plan.request.storage)
    tables.print_line()
    tables.print_line(f"study    {plan.study} in {storage}")
    tables.print_line(f"next     bench report {shlex.quote(plan.study)}{option}")


def _rows(frame: pd.DataFrame, objectives: Objectives) -> list[dict[str, str]]:
    """What the table shows of each network, by header."""
    from blockfront.results import METRICS, MISSING
    from blockfront.results.table import network_name

    def sources(column: str) -> str:
        return ", ".join(sorted(set(frame[column]) - {""})) or "unknown"

    value = METRICS[objectives.value]
    accuracy = f"{value.short} {value.unit} ({sources('accuracy_source')})"
    latency = f"latency ms ({sources('latency_source')})"
    detectors = bool(frame["boxes"].notna().any())
    rows = []
    for _, row in frame.iterrows():
        numbers = {
            key: METRICS[key].number(row[key]) for key in (value.key, "latency_ms", "total_ms", "macs", "params")
        }
        low, high = row["predicted90_low_ms"], row["predicted90_high_ms"]
        rows.append(
            {
                "network": network_name(row),
                "family": row["family"],
                "pixels": f"{row['resolution']:.0f}" if row["resolution"] == row["resolution"] else MISSING,
                accuracy: numbers[value.key],
                latency: numbers["latency_ms"],
                "90 % of such": f"{low:.3g} to {high:.3g}" if low == low else MISSING,
                **({"to boxes ms": numbers["total_ms"]} if detectors else {}),
                "MACs M": numbers["macs"],
                "params M": numbers["params"],
            }
        )
    return rows


def _print_document(
    plan: SweepPlan, ranked: Ranked, objectives: Objectives, choice: Choice, budget: float | None
) -> None:
    from blockfront.console.tables import failures_by_reason, print_json
    from blockfront.results.table import to_records
    from blockfront.study.storage import hide_password

    places = {name: getattr(choice, name) for name in ("best", "runner_up", "faster", "nearest")}
    document: dict[str, Any] = {
        "study": plan.study,
        "storage": hide_password(plan.request.storage),
        "budget_ms": budget,
        **{name: None if row is None else row["network_id"] for name, row in places.items()},
        "ranked_by": objectives.value if choice.by_value else objectives.cost,
        "notes": list(ranked.notes),
        "failures": failures_by_reason(ranked.frame),
        "networks": to_records(_in_order(ranked.frame, objectives)),
    }
    print_json(document)
