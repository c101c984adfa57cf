"""`bench validate`: how good predictions are."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blockfront.commands.options import DataDir, Debug, Json, Quiet, SpaceName, TrainingDevice
from blockfront.commands.stopping import stoppable
from blockfront.errors import UsageError
from blockfront.files import explaining, write_atomically
from blockfront.plurals import counted
from blockfront.study.export import require_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blockfront.validation.host import HostReport
    from blockfront.validation.prediction_errors import Accuracy
    from blockfront.validation.trust import Ranking

app = typer.Typer(name="validate", help="Compare predictions with what was measured.", no_args_is_help=True)


@app.command()
def host(
    n: Annotated[int, typer.Option(help="Networks to sample, as many of each family, beside 12 models of timm.")] = 150,
    threads: Annotated[int, typer.Option(help="Threads on this machine.")] = 1,
    repeats: Annotated[int, typer.Option(help="How often each micro-kernel is measured, where that is needed.")] = 25,
    batch: Annotated[int, typer.Option(help="Networks compiled before they are measured together.")] = 16,
    folder: Annotated[
        Path | None, typer.Option(help="Where measurements and profiles are kept (default: in the cache folder).")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw predicted against measured times to this SVG file.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Predict networks on this machine from micro-kernels and emulation, and compare with their measured times.

    Measuring wants a quiet machine. What was measured or profiled once is kept; the same command goes on.
    """
    from blockfront.console.progress import choose_progress
    from blockfront.console.tables import print_json
    from blockfront.validation.here import validate_here
    from blockfront.validation.scatter import scatter_svg

    for option, value in (("--n", n), ("--repeats", repeats), ("--batch", batch)):
        if value < 1:
            raise UsageError(f"{option} must be 1 or more, not {value}")
    if plot is not None:
        require_folder(plot)
    with stoppable():
        report = validate_here(n, threads, repeats, batch, folder, choose_progress(quiet=quiet))
    if plot is not None:
        groups: dict[str, list[tuple[float, float]]] = {}
        for point in report.network_points:
            groups.setdefault(point.group, []).append((point.measured_ms, point.predicted_ms))
        title = f"{counted(len(report.network_points), 'network')} on {report.target}, threads: {threads}"
        _write(plot, scatter_svg(dict(sorted(groups.items())), title))
    if json:
        print_json(asdict(report))
    else:
        _print_host(report)


@app.command()
def boards(
    data: Annotated[
        Path | None,
        typer.Option(help="CSV of published latencies, columns as in docs/prediction.md (default: those of ncnn)."),
    ] = None,
    network: Annotated[list[str] | None, typer.Option(help="Only this network; may be given again.")] = None,
    kept: Annotated[bool, typer.Option("--kept", help="Only what was profiled before; emulates nothing.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw predicted against published times to this SVG file.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Predict published times of boards from ncnn's code under emulation, by fits that never saw what they predict.

    What was profiled once is kept; the same command goes on.
    """
    from blockfront.console.progress import choose_progress
    from blockfront.console.tables import print_json
    from blockfront.validation.boards import predict, report
    from blockfront.validation.boards_table import print_boards
    from blockfront.validation.judging import coverage, report_threads
    from blockfront.validation.published import OWN, read_published
    from blockfront.validation.published_boards import observations_of
    from blockfront.validation.scaling import report_scaling, scalings
    from blockfront.validation.scatter import scatter_svg

    if plot is not None:
        require_folder(plot)
    rows = read_published(data or OWN)
    with stoppable():
        observations, skipped = observations_of(rows, choose_progress(quiet=quiet), network, kept)
    predictions = predict(observations)
    if plot is not None:
        groups: dict[str, list[tuple[float, float]]] = {}
        for one in predictions:
            if one.network_ms is not None:
                groups.setdefault(one.case.core, []).append((one.case.published.milliseconds, one.network_ms))
        if not groups:
            raise UsageError(f"nothing in {data or OWN} can be predicted, so there is nothing to draw")
        points = sum(map(len, groups.values()))
        _write(plot, scatter_svg(groups, f"{points} published times of ncnn's networks"))
    covered = coverage(predictions)
    reports, threads = report(predictions, covered), report_threads(predictions, covered)
    scaling = report_scaling(scalings(predictions))
    if json:
        parts: dict[str, list[Any]] = {"boards": reports, "threads": threads, "scaling": scaling}
        print_json({name: [asdict(one) for one in part] for name, part in parts.items()})
        for reason, count in skipped.items():
            choose_progress(quiet=quiet).note(f"{counted(count, 'row')} skipped: {reason}")
    else:
        print_boards(reports, threads, scaling, skipped)


@app.command()
def accelerators(
    data: Annotated[
        Path | None,
        typer.Option(help="CSV of published latencies, columns as in docs/accelerators.md (default: those shipped)."),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="Accelerator to simulate; may be given again (default: each like a device)."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compare simulated latencies with published ones of NPUs: errors where a model is like the chip, ranks elsewhere.

    Layers that were simulated once are kept; the first time takes some twenty minutes of a core.
    """
    from blockfront.console.progress import choose_progress
    from blockfront.console.tables import print_json
    from blockfront.validation.accelerators import OWN_NPUS, like_targets, read_npu_rows, validate_accelerators
    from blockfront.validation.accelerators_table import print_accelerators

    rows, left = read_npu_rows(data or OWN_NPUS)
    with stoppable():
        reports = validate_accelerators(rows, target or like_targets(), choose_progress(quiet=quiet))
    if json:
        print_json({"devices": [asdict(one) for one in reports], "left_out": left})
    else:
        print_accelerators(reports, left)


@app.command()
def accuracy(
    n: Annotated[int, typer.Option(help="Networks to train by both recipes, as many of each family.")] = 60,
    of: Annotated[
        int | None,
        typer.Option(
            help="Train so many by the cheap recipe, and choose --n of them evenly over the accuracies of their front."
        ),
    ] = None,
    space: SpaceName = "mobile",
    dataset: Annotated[str, typer.Option(help="Data to train on.")] = "fashion_mnist",
    data_dir: DataDir = None,
    recipe: Annotated[
        str, typer.Option(help="The cheap recipe: a name of `bench recipes`, or file.py:NAME.")
    ] = "quick",
    against: Annotated[str, typer.Option(help="The long recipe.")] = "standard",
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change a field of the long recipe.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of sampling and training.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Trainings at once (default: one a core).")] = None,
    device: TrainingDevice = "auto",
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train networks by a cheap and by a long recipe: how alike are the ranks? Reports then say so.

    Every training is kept, and one that is interrupted goes on from its last epoch; the same command goes on.
    """
    from blockfront.console.progress import choose_progress
    from blockfront.console.tables import print_json
    from blockfront.cores import usable_cores
    from blockfront.design_space import load_space
    from blockfront.training import choose_recipe, get_dataset
    from blockfront.validation.ranking import validate_ranking

    data = get_dataset(dataset, data_dir)
    cheap, long = choose_recipe(recipe, data.ref), choose_recipe(against, data.ref, changes or ())
    with stoppable():
        ranking = validate_ranking(
            load_space(space, resolution=data.resolution, num_classes=data.num_classes),
            n,
            data,
            cheap,
            long,
            seed=seed,
            workers=workers or usable_cores(),
            device=device,
            progress=choose_progress(quiet=quiet),
            of=of,
        )
    if json:
        print_json(asdict(ranking))
    else:
        _print_ranking(ranking)


def _print_ranking(ranking: Ranking) -> None:
    from blockfront.console.tables import print_line, print_table
    from blockfront.validation.ranking import GOALS

    print_line(
        f"{counted(ranking.networks, 'network')} of {counted(ranking.families, 'family')} of {ranking.space} on "
        f"{ranking.dataset}: recipe {ranking.cheap_hash} at {ranking.cost_share:.1%} of the cost of {ranking.long_hash}"
    )
    print_table(
        ["Kendall τ with the long recipe's accuracy", "over all", "95 % interval", "between families", "95 % interval"],
        [
            (name, *(part for one in pair for part in (f"{one.tau:.2f}", f"{one.low:.2f} to {one.high:.2f}")))
            for name, pair in ((key, (ranking.over_all[key], ranking.between[key])) for key in ranking.over_all)
        ],
    )
    print_line("; ".join(f"goal at {share:.0%} of the cost: {tau}" for share, tau in GOALS))


def _write(path: Path, text: str) -> None:
    with explaining(path):
        write_atomically(path, text)


def _print_host(report: HostReport) -> None:
    from blockfront.console.tables import print_line, print_table
    from blockfront.validation.host import GOALS, MACS

    found = report.networks
    print_line(f"target    {report.target} on {report.device}, threads: {report.threads}; {report.model}")
    if found is None:
        print_line("nothing was both measured and profiled")
        return
    print_table(
        ["", "found", "goal"],
        [
            ("networks", found.n, ""),
            ("median |error|", _percent(found.median_abs_error), f"≤ {_percent(GOALS['median_abs_error'])}"),
            ("90th percentile of |error|", _percent(found.p90_abs_error), f"≤ {_percent(GOALS['p90_abs_error'])}"),
            ("geometric mean of predicted / measured", f"{found.geomean_ratio:.2f}", ""),
            ("Spearman", _rank(found.spearman), ""),
            ("Spearman of MACs", _rank(report.spearman_macs), ""),
            (f"networks of {MACS[0] / 1e9:g} to {MACS[1] / 1e9:g} GMACs", report.in_range, ""),
            ("Kendall τ among them", _rank(report.kendall), f"≥ {GOALS['kendall']}"),
            ("Kendall τ of MACs among them", _rank(report.kendall_macs), ""),
            ("kernels one by one / the whole network", f"{report.sum_over_whole:.2f}", ""),
        ],
    )
    for title, groups in (("family", report.families), ("kernels", report.operators)):
        print_line()
        print_table([title, "n", "median |error|", "90th percentile", "predicted / measured"], _rows(groups))


def _rows(groups: Mapping[str, Accuracy]) -> list[tuple[Any, ...]]:
    return [
        (name, one.n, _percent(one.median_abs_error), _percent(one.p90_abs_error), f"{one.geomean_ratio:.2f}")
        for name, one in groups.items()
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _rank(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
