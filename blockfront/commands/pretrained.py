"""`bench pretrained`: weights of named origin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from blockfront.commands.options import Debug, Json

if TYPE_CHECKING:
    from blockfront.training import Pretrained


def pretrained(
    name: Annotated[str | None, typer.Argument(help="Weights to fetch, and to see where they come from.")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the pretrained weights that are known by name, with their licences, or fetch some to the cache folder.

    `bench sample --weights NAME` and `bench take MODEL --weights NAME` use them. timm's own are `timm:NAME`, fetched
    from its hub when they are used.
    """
    from blockfront.console.tables import print_json, print_line, print_table
    from blockfront.training import PRETRAINED

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
                "here": "yes" if row["fetched"] else "no",
            }
            for row in rows
        ]
        print_table(list(shown[0]), [list(row.values()) for row in shown])
        return
    PRETRAINED[name].fetch()
    row = _row(PRETRAINED[name])
    if json:
        print_json(row)
    else:
        for key, value in row.items():
            print_line(f"{key:12} {value}")


def _row(entry: Pretrained) -> dict[str, Any]:
    return {
        "weights": entry.name,
        "title": entry.title,
        "model": entry.model,
        "licence": entry.licence,
        **entry.preparation,
        "source": entry.source,
        "package": entry.requirement,
        "file": entry.member,
        "sha256": entry.sha256,
        "megabytes": entry.megabytes,
        "fetched": entry.path.is_file(),
        "path": str(entry.path),
    }
