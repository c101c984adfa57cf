"""Weights of trained networks, as safetensors files in a folder beside the storage."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from blockfront.content_store import cache_folder
from blockfront.digest import digest
from blockfront.errors import UsageError
from blockfront.files import explaining
from blockfront.study import sqlite_file
from blockfront.study.storage import hide_password

_NAME = re.compile(r"([0-9a-f]{12})-seed(\d+)\.safetensors")


@dataclass(frozen=True)
class KeptWeights:
    """A file of a network's weights after the training with one seed; its metadata say what they are of."""

    study: str
    network_id: str
    seed: int
    path: Path

    @property
    def size_bytes(self) -> int:
        """The file's size."""
        return self.path.stat().st_size


def weights_folder(storage: str) -> Path:
    """Beside an SQLite file `bench.db` the folder `bench.db.weights`; of a server one in the cache folder."""
    path = sqlite_file.sqlite_path(storage)
    if path is None:
        return cache_folder() / "weights" / digest(hide_password(storage), 16)
    return Path(f"{path}.weights")


def weights_path(storage: str, study: str, network_id: str, seed: int) -> Path:
    """The file of a network's weights."""
    # A name may hold slashes, or be dots alone.
    folder = quote(study, safe="").replace(".", "%2E")
    return weights_folder(storage) / folder / f"{network_id}-seed{seed}.safetensors"


def kept_weights(storage: str, study: str | None = None) -> list[KeptWeights]:
    """All files of a storage, or of one study: by study, network and seed."""
    found = []
    for path in weights_folder(storage).glob("*/*.safetensors"):
        name, of = _NAME.fullmatch(path.name), unquote(path.parent.name)
        if name is not None and study in (None, of):
            found.append(KeptWeights(of, name[1], int(name[2]), path))
    return sorted(found, key=lambda one: (one.study, one.network_id, one.seed))


def remove_weights(found: Iterable[KeptWeights]) -> None:
    """Delete files, and the folders that they leave empty; raises `RunError` for one that cannot be."""
    for one in found:
        with explaining(one.path):
            one.path.unlink(missing_ok=True)
        for folder in one.path.parents[:2]:
            with suppress(OSError):
                folder.rmdir()


def find_weights(network_id: str, storage: str, study: str | None = None) -> KeptWeights:
    """The file of the network whose id starts with `network_id`, of several its lowest seed; raises `UsageError`."""
    found = [one for one in kept_weights(storage, study) if one.network_id.startswith(network_id)]
    if not network_id or not found:
        raise UsageError(
            f"no weights of network {network_id!r} are kept beside {hide_password(storage)}; those of networks off the "
            "front go unless they are trained with: bench sample --keep all"
        )
    if len({one.network_id for one in found}) > 1:
        raise UsageError(f"{network_id!r} starts the ids of several networks; give more digits")
    return min(found, key=lambda one: (one.seed, one.study))
