"""`bench studies`, `report`, `export`: what to do with studies that exist, finished or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from blockfront.commands.options import (
    Cost,
    Debug,
    Fallbacks,
    Json,
    Silent,
    Storage,
    Value,
    objectives,
    require_metrics,
)
from blockfront.plurals import counted
from blockfront.study.storage import DEFAULT_STORAGE

Names = Annotated[list[str], typer.Argument(metavar="STUDY...", help="Names of `bench studies`.")]


def studies(storage: Storage = DEFAULT_STORAGE, json: Json = False, debug: Debug = False) -> None:
    """List the studies of a storage and how far they are."""
    from blockfront.console.tables import print_json, print_table
    from blockfront.study.storage import list_studies

    found = list_studies(storage)
    if json:
        print_json(found)
    else:
        print_table(list(found[0]) if found else ["study"], [list(row.values()) for row in found])


def report(
    names: Names,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("report.html"),
    cost: Cost = None,
    value: Value = None,
    fallbacks: Fallbacks = False,
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
    quiet: Silent = False,
    debug: Debug = False,
) -> None:
    """Write one self-contained HTML file about one study or several; unfinished ones are fine."""
    from blockfront.analysis import with_fallbacks, write_report
    from blockfront.console.tables import print_json, print_line
    from blockfront.study.export import require_folder
    from blockfront.study.storage import load, load_settings

    require_folder(output)
    frame = load(names, storage)
    chosen = objectives(cost, value, load_settings(names, storage), [frame])
    require_metrics(frame, cost, value)
    write_report(
        with_fallbacks(frame) if fallbacks else frame,
        output,
        objectives=chosen,
        provenance=provenance_of(names, storage),
    )
    if json:
        print_json({"report": str(output), "studies": names, "networks": len(frame)})
    elif not quiet:
        print_line(f"{output}: {counted(len(frame), 'network')} of {', '.join(names)}")


def provenance_of(names: Sequence[str], storage: str) -> dict[str, dict[str, object]]:
    """What it takes to repeat studies, and how far their accuracies are to be trusted, by study."""
    from blockfront.study.storage import load_provenance
    from blockfront.validation.trust import trust

    found = load_provenance(names, storage)
    for kept in found.values():
        settings = kept.get("settings")
        if isinstance(settings, Mapping) and settings.get("recipe_hash"):
            fingerprint, recipe = str(settings["dataset_fingerprint"]), str(settings["recipe_hash"])
            kept["ranks of accuracies"] = trust(fingerprint, recipe)
    return found


def export(
    study: Annotated[str, typer.Argument(help="A name of `bench studies`.")],
    output: Annotated[Path, typer.Argument(help="The file to write: .csv, .parquet, .md or .tex.")],
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
    quiet: Silent = False,
    debug: Debug = False,
) -> None:
    """Write a study's table, one row a network, as the file's extension says.

    CSV and Parquet have all columns; Markdown and LaTeX have what networks are compared by, for a reader.
    """
    from blockfront.console.tables import print_json, print_line
    from blockfront.files import explaining, fill_atomically
    from blockfront.study.export import export_format
    from blockfront.study.storage import load

    write = export_format(output)
    frame = load(study, storage)
    with explaining(output):
        fill_atomically(output, lambda path: write(frame, path))
    if json:
        print_json({"file": str(output), "study": study, "networks": len(frame)})
    elif not quiet:
        print_line(f"{output}: {counted(len(frame), 'network')}")
