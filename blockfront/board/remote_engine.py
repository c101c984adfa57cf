"""A network in an engine of others on a board, as the machine that measures there sees it."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from blockfront.board.connection import Connection
from blockfront.digest import digest
from blockfront.engines import ENGINES
from blockfront.errors import DeviceUnavailable, RunError


class EngineOnBoard:
    """A network in an engine on a board; raises as `EngineProcess` does, and what a connection does.

    `outputs` are what it gave in its first inference, `versions` are of the engine there.
    """

    def __init__(
        self, connection: Connection, engine: str, contents: Mapping[str, bytes], threads: int, cpus: Sequence[int]
    ) -> None:
        self.versions: Mapping[str, str] = board_versions(connection, engine)
        self._connection = connection
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w") as packed:
            for name, content in contents.items():
                # With the date of 1980 that it has by default: equal contents are equal archives.
                packed.writestr(zipfile.ZipInfo(name), content)
        archive = connection.keep(f"{digest(written.getvalue(), 24)}.zip", written.getvalue())
        given = engine, archive, str(threads), ",".join(map(str, cpus))
        encoded = self._ask("engine_start", *given)
        self.outputs = [np.load(io.BytesIO(base64.b64decode(one)), allow_pickle=False) for one in encoded]

    def milliseconds(self, number: int, repeat: int) -> list[float]:
        """As `Loaded` has it."""
        return [float(sample) for sample in self._ask("engine_samples", number, repeat)]

    def _ask(self, name: str, *given: Any) -> Any:
        function = self._connection.function(name)
        if function is None:
            raise _without_engines(self._connection)
        return json.loads(str(function(*given)))


def board_versions(connection: Connection, engine: str) -> dict[str, str]:
    """An engine's runtime on a board, package to version; raises `DeviceUnavailable` where it is not installed."""
    function = connection.function("engine_versions")
    if function is None:
        raise _without_engines(connection)
    try:
        found: dict[str, str] = json.loads(str(function(engine)))
    except Exception as error:
        failure = connection.failure(error)
        if type(failure) is not RunError:
            raise failure from error
        package = ENGINES[engine].packages[0]
        raise DeviceUnavailable(
            f"device {connection.name} does not have {engine}; on the board run: pip install {package}"
        ) from error
    return found


def _without_engines(connection: Connection) -> DeviceUnavailable:
    return DeviceUnavailable(
        f"device {connection.name} serves no engines; install this version of bench there and start bench board serve"
    )
