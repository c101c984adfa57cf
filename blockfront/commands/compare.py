"""`bench compare`: one design space on several targets, or two runs of the same networks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blockfront.commands.options import Debug, Fallbacks, Json, Storage, Value, objectives, require_metrics
from blockfront.errors import UsageError
from blockfront.plurals import counted
from blockfront.study.storage import DEFAULT_STORAGE

if TYPE_CHECKING:
    from blockfront.analysis import Comparison, Paired

_SHOWN = 5


def compare(
    names: Annotated[list[str], typer.Argument(metavar="STUDY...", help="Two or more names of `bench studies`.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write (default: comparison.html).")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="The cost to compare by, a column that is to be small (default: the studies' own)."),
    ] = None,
    value: Value = None,
    fail_above: Annotated[
        str | None,
        typer.Option(
            metavar="PERCENT",
            help="Compare two runs of the same networks instead: exit code 1 if the second is slower by more than this "
            "share, such as 5%, which is when the whole 95 % interval of the mean ratio lies above it.",
        ),
    ] = None,
    fallbacks: Fallbacks = False,
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare studies of one space on several targets: what the choice of family is worth on each.

    Per target the families' fronts and how much the best family saves over each other one at equal accuracy; between
    targets, how alike they rank the same networks. Writes one self-contained HTML file. With --fail-above two runs on
    one target are paired network by network, and no file is written.
    """
    from blockfront.analysis import (
        compare_targets,
        comparison_records,
        comparison_sentences,
        with_fallbacks,
        write_comparison,
    )
    from blockfront.console.tables import print_json
    from blockfront.results.table import without_nan
    from blockfront.study.export import require_folder
    from blockfront.study.storage import load, load_provenance, load_settings

    if len(set(names)) < 2:
        raise UsageError("name two studies or more, each once; bench studies lists them")
    if fail_above is not None:
        _compare_runs(names, fail_above, metric, output, value, storage, json)
        return
    output = output or Path("comparison.html")
    require_folder(output)
    provenance = load_provenance(names, storage)
    _require_one_space(provenance)
    frames = {name: load(name, storage) for name in dict.fromkeys(names)}
    chosen = objectives(metric, value, load_settings(names, storage), list(frames.values()))
    for frame in frames.values():
        require_metrics(frame, metric, value)
    if fallbacks:
        frames = {name: with_fallbacks(frame) for name, frame in frames.items()}
    comparison = compare_targets(frames, chosen)
    write_comparison(comparison, output, provenance=provenance)
    if json:
        document: dict[str, Any] = {"report": str(output), "metric": chosen.cost, "value": chosen.value}
        document["findings"] = comparison_sentences(comparison)
        print_json(without_nan({**document, **comparison_records(comparison)}))
    else:
        _print(comparison, output)


def _compare_runs(
    names: list[str],
    fail_above: str,
    metric: str | None,
    output: Path | None,
    value: str | None,
    storage: str,
    json: bool,
) -> None:
    """Two runs by network; exit code 1 where the second is slower by more than the limit."""
    from blockfront.analysis import compare_runs, percentage
    from blockfront.console.tables import print_json
    from blockfront.study.storage import load, load_settings

    if len(names) != 2:
        raise UsageError(f"--fail-above compares a run with one before it: name two studies, not {len(names)}")
    for option, given in (("--output", output), ("--value", value)):
        if given is not None:
            raise UsageError(f"--fail-above writes no report and weighs no accuracy: leave {option} out")
    limit = percentage(fail_above)
    cost = objectives(metric, None, load_settings(names, storage)).cost
    paired = compare_runs({name: load(name, storage) for name in names}, cost)
    failed = paired.slower_than(limit)
    if json:
        document = {"metric": cost, "ratio": paired.ratio, "ratio_low": paired.low, "ratio_high": paired.high}
        counts = {"shared": len(paired.networks), "only_before": paired.only_before, "only_after": paired.only_after}
        rows = paired.networks.to_dict("records")
        print_json({**document, **counts, "limit": limit, "failed": failed, "networks": rows})
    else:
        _print_runs(paired, names, limit, failed)
    if failed:
        raise typer.Exit(1)


def _print_runs(paired: Paired, names: list[str], limit: float, failed: bool) -> None:
    from blockfront.console.tables import print_line, print_table

    before, after = names
    metric = paired.metric
    print_line(
        f"{after} takes {paired.ratio:.3f} times the {metric.label} of {before} "
        f"(95 % interval {paired.low:.3f} to {paired.high:.3f}), geometric mean of "
        f"{counted(len(paired.networks), 'network')}"
    )
    for count, here, there in ((paired.only_before, before, after), (paired.only_after, after, before)):
        if count:
            print_line(f"left out because {there} has no {metric.label} of them: {count} of {here}")
    rows = [
        (row["network_id"], row["family"], f"{row['ratio']:.3f}")
        + tuple(metric.number(row[key]) for key in ("before", "after"))
        for row in paired.networks.head(_SHOWN).to_dict("records")
    ]
    print_table(["network", "family", "ratio", before, after], rows, title=f"most slowed down ({metric.unit})")
    verdict = (
        f"slower by more than {100 * limit:g} %" if failed else f"not shown to be slower by more than {100 * limit:g} %"
    )
    print_line(f"{'FAILS' if failed else 'ok'}: {verdict}")


def _require_one_space(provenance: dict[str, dict[str, Any]]) -> None:
    """Raise UsageError unless all studies are of the same definition of one space."""
    spaces = {name: made["settings"] for name, made in provenance.items()}
    if len({settings["space_hash"] for settings in spaces.values()}) > 1:
        listed = ", ".join(f"{name} is of {settings['space']}" for name, settings in spaces.items())
        raise UsageError(
            f"bench compare ranks one space's networks on several targets, and these are different spaces, or "
            f"definitions of one ({listed}), with other networks each: bench report {' '.join(spaces)} draws those of "
            "one target and data set on one front"
        )


def _correlation(rho: float, low: float, high: float) -> tuple[str, str]:
    from blockfront.analysis.statistics import MIN_NETWORKS
    from blockfront.results import MISSING

    if math.isfinite(rho) and math.isfinite(low):
        return f"{rho:.2f}", f"{low:.2f} to {high:.2f}"
    return MISSING, f"fewer than {MIN_NETWORKS} networks"


def _print(comparison: Comparison, output: Path) -> None:
    from blockfront.analysis import comparison_sentences
    from blockfront.console.tables import print_line, print_table

    for line in comparison_sentences(comparison):
        print_line(line)
    cost, gain = comparison.objectives.metrics
    label = cost.label
    rows = [
        (
            study,
            row["best"],
            row["family"],
            f"{row['wins']} of {row['levels']}",
            f"{row['speedup']:.2f}",
            f"{row['speedup_low']:.2f} to {row['speedup_high']:.2f}",
        )
        for study, table in comparison.speedups.items()
        for row in table.to_dict("records")
    ]
    if rows:
        print_line()
        columns = ["study", "best family", "over", "levels won", f"times less {label}", "95 % interval"]
        print_table(columns, rows, title=f"at equal {gain.noun}")
    print_line()
    print_table(
        ["study", "other study", "shared networks", f"Spearman of {label}", "95 % interval"],
        [
            (row["a"], row["b"], row["shared"], *_correlation(row["rho"], row["rho_low"], row["rho_high"]))
            for row in comparison.pairs.to_dict("records")
        ],
    )
    print_line()
    print_line(f"report   {output}")
