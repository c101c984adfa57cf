"""`bench doctor`: what works here and what does not."""

from __future__ import annotations

from typing import Annotated

import typer

from blockfront.commands.options import Debug, Json, Storage, Tracker
from blockfront.study.storage import DEFAULT_STORAGE


def doctor(
    target: Annotated[str, typer.Option(help="Check compiling and linking for this target, too.")] = "host",
    tracker: Tracker = None,
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Check versions, cores, compiling, the tracker and the storage; exit code 1 when a check fails."""
    from blockfront.console.tables import print_json, print_table
    from blockfront.services.doctor import diagnose

    checks = diagnose(target, tracker, storage)
    if json:
        print_json([{"check": check.name, "ok": check.ok, "finding": check.finding} for check in checks])
    else:
        print_table(
            ["", "check", "finding"],
            [("ok" if check.ok else "FAILS", check.name, check.finding) for check in checks],
        )
    if not all(check.ok for check in checks):
        raise typer.Exit(1)
