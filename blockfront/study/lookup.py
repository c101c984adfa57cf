"""What a name means: a study, networks in the studies of a storage, or a model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from blockfront.errors import UsageError, near_names, unknown
from blockfront.results.description import described
from blockfront.study.reading import read_results
from blockfront.study.storage import load, open_study, opened, own_studies, storage_exists

if TYPE_CHECKING:
    import pandas as pd

    from blockfront.design_space.image_size import ImageSize
    from blockfront.design_space.models import Model


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


def known_studies(storage: str) -> list[str]:
    """Names of the studies in a storage; none when there is no storage."""
    if not storage_exists(storage):
        return []
    with opened(storage) as opened_storage:
        return own_studies(opened_storage)


def find_models(ref: str, storage: str, size: ImageSize | None = None) -> list[Model]:
    """The networks `ref` means: a study's complete ones, the network of that id, or a model as `bench profile` takes.

    Raises UsageError for what is none of these, with near names.
    """
    from blockfront.design_space.image_size import OWN_SIZE
    from blockfront.design_space.models import find_model

    size = size or OWN_SIZE
    studies = known_studies(storage)
    if ref in studies:
        return [find_model(str(text), size) for text in complete_networks(ref, storage)["network"]]
    if studies and re.fullmatch("[0-9a-f]{4,12}", ref):
        return [find_model(find_network(ref, storage)[0]["network"], size)]
    try:
        return [find_model(ref, size)]
    except UsageError as error:
        if near_names(ref, studies):
            raise unknown("study", ref, studies) from error
        raise
