"""`bench hand-out`, `bench hand-in`: latencies of a tool that this suite does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from blockfront.commands.options import Debug, Json, Quiet, Storage
from blockfront.plurals import counted
from blockfront.study.storage import DEFAULT_STORAGE


def hand_out(
    study: Annotated[str, typer.Argument(help="A name of `bench studies`.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a study's networks as ONNX files, and a sheet, latencies.csv, for the times that another tool measures.

    Weights are random, as the study's seed draws them, which does not change a latency. `bench hand-in` makes a study
    of the filled sheet.
    """
    from blockfront.console.progress import choose_progress
    from blockfront.console.tables import print_json, print_line
    from blockfront.services.hand_out import SHEET
    from blockfront.services.hand_out import hand_out as write

    manifest = write(study, storage, folder, choose_progress(quiet=quiet))
    sheet = folder / SHEET
    if json:
        found = {"networks": len(manifest.networks), "left_out": manifest.left_out, "precision": "float32"}
        print_json({"sheet": str(sheet), **found})
        return
    worst = max(one.max_rel_error for one in manifest.networks)
    print_line(f"{folder}: {counted(len(manifest.networks), 'network')}, in ONNX Runtime at most {worst:.1e} off torch")
    for network_id, reason in manifest.left_out.items():
        print_line(f"left out {network_id}: {reason}")
    if manifest.precision != "float32":
        print_line(
            f"these files are float32, and {study} is {manifest.precision}: convert them with your tool, and tell "
            "bench hand-in by --precision what was measured"
        )
    print_line(f"fill in {sheet}, then: bench hand-in {sheet} --target NAME --tool 'TOOL VERSION'")


def hand_in(
    sheet: Annotated[Path, typer.Argument(metavar="CSV", help="The filled latencies.csv, in the folder it was in.")],
    target: Annotated[str, typer.Option(help="The device; it need not be in the catalogue.")],
    tool: Annotated[str, typer.Option(help="What ran the networks there, with its version, such as 'RKNN 2.3'.")],
    unit: Annotated[str | None, typer.Option(help="ms, us or s, where the sheet's header does not say it.")] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="Number format that the tool ran the networks in, in its words (default: the study's)."),
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Threads it used, where it has any to choose.")] = None,
    study: Annotated[str | None, typer.Option(help="Name of the new study (default: SPACE-TARGET-TOOL).")] = None,
    as_given: Annotated[
        bool, typer.Option("--as-given", help="Take latencies that look as if units were mixed.")
    ] = False,
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make a study of the latencies that another tool measured of the networks that `bench hand-out` wrote.

    Costs and accuracies are those of the original study. The latencies' source is "measured elsewhere", by the tool as
    their toolchain: they are compared with other studies' and never mixed with them.
    """
    from blockfront.console.tables import print_json, print_line
    from blockfront.services.hand_in import Told
    from blockfront.services.hand_in import hand_in as keep

    made = keep(sheet, Told(target, tool, precision, threads), storage, unit=unit, study=study, as_given=as_given)
    if json:
        counts = {"networks": made.networks, "failed": made.failed}
        print_json({"study": made.study, "of": made.of, **counts, "notes": list(made.notes)})
        return
    print_line(f"{made.study}: {counted(made.networks, 'network')} of {made.of}, {made.failed} of them failed")
    for line in made.notes:
        print_line(line)
    if not made.known_target:
        print_line(f"{target} is not in the catalogue, which tells nothing of it: bench targets lists what is")
    if made.precision != made.accuracies:
        print_line(f"accuracies are still those of {made.accuracies}, not of {made.precision}")
