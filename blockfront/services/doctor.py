"""Checks of this machine, each a plain finding: nothing here raises for what it finds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from blockfront.errors import RunError, UsageError
from blockfront.signature import Signature
from blockfront.study.provenance import machine, usable_cores, versions
from blockfront.study.storage import open_storage, storage_exists, storage_url

if TYPE_CHECKING:
    from blockfront.targets import Accelerator


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    finding: str


def diagnose(target: str, tracker: str | None, storage: str) -> list[Check]:
    """All checks in the order a sweep needs them; UsageError only for an unknown target."""
    from blockfront.targets import Accelerator, find_hardware

    if isinstance(found := find_hardware(target), Accelerator):
        latency = [_check(f"simulate {target}", lambda: _simulate(found))]
    else:
        latency = [
            _check(f"compile for {target}", lambda: _compile(target)),
            _check("tracker", lambda: _tracker(target, tracker)),
            _check("prediction", lambda: _prediction(target)),
            _check("simulator", _simulator),
        ]
    return [
        _check("versions", _versions),
        _check("machine", _machine),
        _check("threads", _threads),
        _check("accelerator", _accelerator),
        *latency,
        _check("boards in software", _emulation),
        _check("storage", lambda: _storage(storage)),
        _check("temporary files", _temporary),
    ]


def _check(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except (UsageError, RunError) as error:
        return Check(name, False, str(error))
    except Exception as error:
        return Check(name, False, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")


def _versions() -> str:
    from packaging.requirements import Requirement

    found = versions()
    for line in metadata.requires("blockfront") or []:
        requirement = Requirement(line)
        installed = found.get(requirement.name)
        if requirement.marker is None and installed and not requirement.specifier.contains(installed, prereleases=True):
            raise RunError(f"{requirement.name} {installed} is installed, bench needs {requirement.specifier}")
    return ", ".join(f"{name} {version}" for name, version in found.items())


def _machine() -> str:
    here = machine()
    memory = f"{here['memory_bytes'] / 2**30:.1f} GiB"
    return f"{here['system']} {here['architecture']}, {here['processor']}, {memory}"


def _threads() -> str:
    variables = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TVM_NUM_THREADS")
    given = ", ".join(f"{name}={os.environ[name]}" for name in variables if name in os.environ)
    return f"{usable_cores()} usable cores" + (f"; {given} (workers set their own)" if given else "")


def _accelerator() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none that torch can use; networks train on the processor"
    return ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))


def _compile(target: str) -> str:
    from torch import nn

    from blockfront.targets import compile_model, get_target

    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    program = compile_model(module, Signature.image(8), get_target(target))
    return f"a small convolution compiles and links, {len(program.library) / 1e3:.0f} kB"


def _simulate(accelerator: Accelerator) -> str:
    from torch import nn

    from blockfront.targets import RUNNERS, simulation_options

    options, runner = simulation_options(accelerator), RUNNERS["simulated"]
    layer = nn.Conv2d(3, 8, 3, padding=1).eval()
    latency = runner.run(runner.prepare(layer, Signature.image(8), options, 0), options)
    return f"a small convolution takes {latency.median_ms:.3g} ms and {latency.energy_mj:.3g} mJ; {latency.prediction}"


def _simulator() -> str:
    """Whether accelerators can be targets; nobody else needs it."""
    from blockfront.targets.latency.accelerators import INSTALL, installed
    from blockfront.targets.latency.accelerators.description import zigzag_version

    return f"ZigZag {zigzag_version()}" if installed() else f"none; for accelerators as targets: {INSTALL}"


def _tracker(target: str, tracker: str | None) -> str:
    from blockfront.board.sockets import tracker_address
    from blockfront.targets import RUNNERS, RunOptions, get_target

    found = get_target(target)
    if tracker_address(tracker) is None:
        return "none asked for; latencies for boards are predicted (attach one with --tracker HOST:PORT)"
    RUNNERS["rpc"].check(RunOptions(target=found, threads=found.cores, tracker=tracker))
    return f"answers, and has a device for {target}"


def _prediction(target: str) -> str:
    """Which runner answers without a device, and why; nothing is downloaded to find out."""
    from blockfront.targets import RUNNERS, RunOptions, get_target
    from blockfront.targets.latency.calibration import load_calibration
    from blockfront.targets.latency.profiler import emulator_obstacle

    found = get_target(target)
    options = RunOptions(target=found, threads=found.cores, calibration=load_calibration(found))
    try:
        prediction = RUNNERS["emulated"].prediction(options)
        missing = emulator_obstacle(found)
    except UsageError as error:
        missing = str(error)
    return f"roofline, because {missing}" if missing else f"emulated; {prediction}"


def _emulation() -> str:
    from blockfront.targets.latency.emulation import readiness

    return readiness()


def _storage(storage: str) -> str:
    """Whether studies can be kept there; a missing SQLite file is not made."""
    if not storage_exists(storage):
        path = Path(storage_url(storage).database or "")
        with tempfile.NamedTemporaryFile(dir=path.absolute().parent):
            return f"{path} can be made"
    opened = open_storage(storage)
    count = len(opened.get_all_studies())
    opened.engine.dispose()
    return f"{storage} opens, {count} studies"


def _temporary() -> str:
    import shutil

    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < 2**28:
        raise RunError(f"only {free / 2**20:.0f} MiB free in {folder}; free some or set TMPDIR")
    return f"{free / 2**30:.1f} GiB free in {folder}"
