"""`bench compare`: one design space on several targets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blockfront.commands.options import Debug, Json, Storage, Value, objectives
from blockfront.errors import UsageError
from blockfront.study.storage import DEFAULT_STORAGE

if TYPE_CHECKING:
    from blockfront.analysis import Comparison


def compare(
    names: Annotated[list[str], typer.Argument(metavar="STUDY...", help="Two or more names of `bench studies`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("comparison.html"),
    metric: Annotated[
        str | None,
        typer.Option(help="The cost to compare by, a column that is to be small (default: the studies' own)."),
    ] = None,
    value: Value = None,
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare studies of one space on several targets: what the choice of family is worth on each.

    Per target the families' fronts and how much the best family saves over each other one at equal accuracy; between
    targets, how alike they rank the same networks. Writes one self-contained HTML file.
    """
    from blockfront.analysis import compare_targets, comparison_records, comparison_sentences, write_comparison
    from blockfront.console.tables import print_json
    from blockfront.results.table import without_nan
    from blockfront.study.export import require_folder
    from blockfront.study.storage import load, load_objectives, load_provenance

    require_folder(output)
    if len(set(names)) < 2:
        raise UsageError("name two studies or more; bench studies lists them")
    provenance = load_provenance(names, storage)
    _require_one_space(provenance)
    chosen = objectives(metric, value, load_objectives(names, storage))
    comparison = compare_targets({name: load(name, storage) for name in dict.fromkeys(names)}, chosen)
    write_comparison(comparison, output, provenance=provenance)
    if json:
        document: dict[str, Any] = {"report": str(output), "metric": chosen.cost, "value": chosen.value}
        document["findings"] = comparison_sentences(comparison)
        print_json(without_nan({**document, **comparison_records(comparison)}))
    else:
        _print(comparison, output)


def _require_one_space(provenance: dict[str, dict[str, Any]]) -> None:
    """Raise UsageError unless all studies are of the same definition of one space."""
    spaces = {name: made["settings"] for name, made in provenance.items()}
    if len({settings["space_hash"] for settings in spaces.values()}) > 1:
        listed = ", ".join(f"{name} is of {settings['space']}" for name, settings in spaces.items())
        raise UsageError(f"these studies are of different spaces, or definitions of one: {listed}")


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
        ["study", "study", "shared networks", f"Spearman of {label}", "95 % interval"],
        [
            (row["a"], row["b"], row["shared"], f"{row['rho']:.2f}", f"{row['rho_low']:.2f} to {row['rho_high']:.2f}")
            for row in comparison.pairs.to_dict("records")
        ],
    )
    print_line()
    print_line(f"report   {output}")
