"""`bench weights`: what is kept of trained networks."""

from __future__ import annotations

from typing import Annotated

import typer

from blockfront.commands.options import Debug, Json, Storage
from blockfront.plurals import counted
from blockfront.study.storage import DEFAULT_STORAGE


def weights(
    study: Annotated[str | None, typer.Argument(metavar="[STUDY]", help="Those of one study (default: all).")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Delete them.")] = False,
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the weights that sweeps have kept beside a storage, as safetensors files, or delete them."""
    from blockfront.console.tables import print_json, print_line, print_table
    from blockfront.study.storage import open_study, opened
    from blockfront.study.weights import kept_weights, remove_weights

    found = kept_weights(storage, study)
    if study is not None and not found:
        with opened(storage) as opened_storage:
            open_study(opened_storage, study)  # Raises for one that there is not.
    rows = [
        {
            "study": one.study,
            "network_id": one.network_id,
            "seed": one.seed,
            "size_bytes": one.size_bytes,
            "path": str(one.path),
        }
        for one in found
    ]
    total = f"{counted(len(found), 'file')}, {sum(one.size_bytes for one in found) / 2**20:.1f} MiB"
    if remove:
        remove_weights(found)
    if json:
        print_json({"removed" if remove else "weights": rows})
    elif remove:
        print_line(f"removed {total}")
    else:
        if rows:
            print_table(list(rows[0]), [list(row.values()) for row in rows])
        print_line(total)
