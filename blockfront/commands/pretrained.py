"""`bench pretrained`: weights of named origin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from blockfront.commands.options import Debug, Json

if TYPE_CHECKING:
    from blockfront.training import Pretrained


def pretrained(
    name: Annotated[
        str | None,
        typer.Argument(help="Weights to fetch, and to see where they come from: a name listed here, or timm:NAME."),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the pretrained weights that are known by name, with their licences, or fetch some to the cache folder.

    `bench sample --weights NAME` and `bench take MODEL --weights NAME` use them. timm's own are `timm:NAME`, which are
    not listed, and which timm fetches from its hub to where it keeps them.
    """
    from blockfront.console.tables import print_json, print_line, print_table
    from blockfront.training import PRETRAINED
    from blockfront.training.pretrained import HUB, facts_of_hub, fetch_weights

    if name is None:
        rows = [_row(entry) for entry in PRETRAINED.values()]
        if json:
            print_json(rows)
            return
        shown = [
            {
                "weights": row["weights"],
                "title": row["title"],
                "for timm's": row["model"],
                "licence": row["licence"],
                "MB": row["megabytes"],
                "here": "damaged" if row["damaged"] else "yes" if row["fetched"] else "no",
            }
            for row in rows
        ]
        print_table(list(shown[0]), [list(row.values()) for row in shown])
        return
    fetch_weights(name)
    row = facts_of_hub(name) if name.startswith(HUB) else _row(PRETRAINED[name])
    if json:
        print_json(row)
    else:
        for key, value in row.items():
            print_line(f"{key:12} {value}")


def _row(entry: Pretrained) -> dict[str, Any]:
    from blockfront.training.pretrained import preparation

    here = entry.here
    return {
        "weights": entry.name,
        "title": entry.title,
        "model": entry.model,
        "licence": entry.licence,
        **preparation(entry.model),
        "source": entry.source,
        "package": entry.requirement,
        "file": entry.member,
        "sha256": entry.sha256,
        "megabytes": entry.megabytes,
        "fetched": here is True,
        "damaged": here is None,
        "path": str(entry.path),
    }
