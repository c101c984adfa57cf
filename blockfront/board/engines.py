"""Engines of others that a board's server runs for a session.

The engine's process belongs to the process of the session, and its files lie in the session's folder: both end with it.
"""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Callable

from blockfront.engines import ENGINES
from blockfront.engines.engine import require_packages
from blockfront.engines.process import EngineProcess, npy_bytes

_running: list[EngineProcess] = []
"""Of this session, one at a time."""


def engine_functions() -> dict[str, Callable[..., str]]:
    """What a server offers of engines; answers are JSON.

    - `engine_versions(engine)`: its runtime's package to the version that is installed.
    - `engine_start(engine, archive, threads, cpus)`: run the network of a kept archive once, on cores with commas
      between; gives its outputs, as base64 of `.npy`.
    - `engine_samples(number, repeat)`: see `EngineProcess.milliseconds`.
    """
    return {
        "engine_versions": lambda engine: json.dumps(_versions(str(engine))),
        "engine_start": lambda *given: json.dumps(_start(*map(str, given))),
        "engine_samples": lambda number, repeat: json.dumps(_running[0].milliseconds(int(number), int(repeat))),
    }


def _versions(engine: str) -> dict[str, str]:
    found = ENGINES[engine]
    return require_packages(found.name, found.packages[:1], found.extra)


def _start(engine: str, archive: str, threads: str, cpus: str) -> list[str]:
    _running.clear()
    with zipfile.ZipFile(archive) as packed:
        contents = {name: packed.read(name) for name in packed.namelist()}
    running = EngineProcess(engine, contents, int(threads), [int(cpu) for cpu in cpus.split(",") if cpu])
    _running.append(running)
    return [base64.b64encode(npy_bytes(array)).decode() for array in running.outputs]
