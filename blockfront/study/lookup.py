"""Finding networks in the studies of a storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blockfront.errors import UsageError, unknown
from blockfront.results.description import described
from blockfront.study.reading import read_results
from blockfront.study.storage import load, open_study, opened, own_studies

if TYPE_CHECKING:
    import pandas as pd


def find_network(prefix: str, storage: str, study: str | None = None) -> list[dict[str, Any]]:
    """Every trial of the network whose id starts with `prefix`: its row, and what a row has no column for.

    Raises UsageError when no network or several have such an id, naming near ones.
    """
    if not prefix:
        raise UsageError("give the id of a network, or its first digits")
    found: list[dict[str, Any]] = []
    known: set[str] = set()
    with opened(storage) as opened_storage:
        for name in [study] if study else own_studies(opened_storage):
            for result in read_results(open_study(opened_storage, name)):
                network_id = str(result.network and result.network.id)
                known.add(network_id)
                if network_id.startswith(prefix):
                    found.append(described(result))
    matching = sorted({row["network_id"] for row in found})
    if len(matching) > 1:
        raise UsageError(f"{prefix!r} starts the ids of several networks: {', '.join(matching[:5])}; give more digits")
    if not matching:
        near = {network_id[: len(prefix)] for network_id in known}
        listing = "bench export lists all of a study's networks"
        raise unknown("network", prefix, near, within=f"{storage} has", otherwise=listing)
    return found


def complete_networks(study: str, storage: str) -> pd.DataFrame:
    """The rows of a study's complete networks. Raises UsageError where there are none, and as `load` does."""
    rows = load(study, storage)
    rows = rows[rows["state"] == "complete"]
    if rows.empty:
        raise UsageError(f"study {study!r} has no complete network yet; finish one with bench sample")
    return rows
