"""Checks of this machine, each a plain finding: nothing here raises for what it finds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from itertools import product
from typing import TYPE_CHECKING, Any

from blockfront.cores import find_cores
from blockfront.errors import RunError, UsageError
from blockfront.plurals import counted
from blockfront.signature import Signature
from blockfront.study.provenance import machine, versions
from blockfront.study.sqlite_file import sqlite_path
from blockfront.study.storage import hide_password, open_storage, storage_exists

if TYPE_CHECKING:
    from blockfront.targets import Asked, Hardware, Toolchain


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    finding: str


def diagnose(target: str, tracker: str | None, storage: str) -> list[Check]:
    """All checks in the order a sweep needs them; UsageError only for an unknown target."""
    from blockfront.targets import find_hardware

    hardware = find_hardware(target)
    return [
        _check("versions", _versions),
        _check("machine", _machine),
        _check("cores", _cores),
        _check("multiply-adds", _multiply_adds),
        _check("accelerator", _accelerator),
        *_latency(hardware, tracker),
        _check("boards in software", _emulation),
        _check("storage", lambda: _storage(storage)),
        _check("temporary files", _temporary),
    ]


def _latency(hardware: Hardware, tracker: str | None) -> Iterator[Check]:
    """Every toolchain, whether or not it accepts the hardware, and every runner that could serve what it makes."""
    from blockfront.targets import METERS, TOOLCHAINS, Asked

    needed, seen = True, set()
    for name, toolchain in TOOLCHAINS.items():
        if not toolchain.accepts(hardware):
            yield Check(f"toolchain {name}", True, _unused(toolchain, f"not for {hardware.name}"))
            continue
        if not needed and not _installed(toolchain):
            yield Check(f"toolchain {name}", True, _unused(toolchain, "for who asks for it"))
            continue
        needed = False
        chosen: list[Any] = []
        asked = Asked(hardware, tracker=tracker)
        yield _check(f"toolchain {name}", partial(_made_ready, toolchain, asked, chosen))
        for options, (runner, meter) in product(chosen, METERS.items()):
            if runner not in seen and meter.accepts(toolchain, hardware):
                seen.add(runner)
                yield _check(f"runner {runner}", partial(meter.standing, options))


def _made_ready(toolchain: Toolchain[Any, Any], asked: Asked, chosen: list[Any]) -> str:
    """That a toolchain works; its options go to `chosen`."""
    from torch import nn

    from blockfront.targets.latency.toolchain import packages

    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    options = toolchain.options_for(asked)
    toolchain.prepare(module, Signature.image(8), options, 0)
    chosen.append(options)
    return f"a small convolution is made ready for {asked.hardware.name} by {packages(toolchain)}"


def _installed(toolchain: Toolchain[Any, Any]) -> bool:
    try:
        toolchain.versions()
    except UsageError:
        return False
    return True


def _unused(toolchain: Toolchain[Any, Any], who: str) -> str:
    """That a toolchain is there, or how it is to be had, and who needs it, which is nobody so far."""
    from blockfront.targets.latency.toolchain import packages

    try:
        return f"{packages(toolchain)}; {who}"
    except UsageError as error:
        return f"{error}; {who}"


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


def _cores() -> str:
    variables = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TVM_NUM_THREADS")
    given = ", ".join(f"{name}={os.environ[name]}" for name in variables if name in os.environ)
    return f"{find_cores()}" + (f"; {given} (workers set their own)" if given else "")


def _multiply_adds() -> str:
    """What schedules for this machine reckon with, and whether it was measured."""
    from blockfront.targets import get_processor

    here = get_processor("host")
    return f"{here.fma_per_cycle:g} of {counted(here.simd_bits, 'bit')} a cycle, {here.source_of('fma_per_cycle')}"


def _accelerator() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none that torch can use; networks train on the processor"
    return ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))


def _emulation() -> str:
    from blockfront.targets.latency.emulation import readiness

    return readiness()


def _storage(storage: str) -> str:
    """Whether studies can be kept there; a missing SQLite file is not made."""
    path = sqlite_path(storage)
    if path is not None and not storage_exists(storage):
        with tempfile.NamedTemporaryFile(dir=path.absolute().parent):
            return f"{path} can be made"
    opened = open_storage(storage)
    count = len(opened.get_all_studies())
    opened.engine.dispose()
    return f"{hide_password(storage)} opens, {counted(count, 'study')}"


def _temporary() -> str:
    import shutil

    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < 2**28:
        raise RunError(f"only {free / 2**20:.0f} MiB free in {folder}; free some or set TMPDIR")
    return f"{free / 2**30:.1f} GiB free in {folder}"
