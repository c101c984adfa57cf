"""ncnn's own aarch64 wheel under the profiler: what one inference of a network executes on a board's cores.

ncnn takes its code for a processor's features from the processor QEMU stands in for, and code of its own for the
Cortex-A53 and A55 where Linux reports them: the emulated program finds /proc and /sys files that do. They say nothing
of caches, as on most boards when the tables were published; ncnn then cuts its loops for 256 KiB.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from blockfront.content_store import cache_folder
from blockfront.digest import digest
from blockfront.errors import RunError
from blockfront.steps import publish, run_step
from blockfront.targets.hardware.target import Target
from blockfront.targets.latency.emulation.guest import Guest, find_guest, install, with_files
from blockfront.targets.latency.profiler import Profile, caches_of, find_emulator, run_profiled
from blockfront.targets.latency.profiler.native import ZIG, plugin_version
from blockfront.targets.latency.profiler.store import ProfileStore
from blockfront.validation.ncnn_networks import BenchmarkNetwork

NCNN = "ncnn==1.0.20261020"
PROCESSES = 2
_PROGRAM = Path(__file__).with_name("ncnn_program.py")
_OPENMP = Path(__file__).with_name("openmp.c")
_STORE = "ncnn-profiles"
_LIMIT_S = 3600
# Implementer and part in Arm's main identification register, as /sys has it; other cores run ncnn's common code.
_IDENTITY = {"cortex-a53": 0x410FD034, "cortex-a55": 0x412FD050}
_OTHER = 0x410FD083


@dataclass(frozen=True)
class NcnnRun:
    """One inference of a network on `threads` cores of a target; `half`: with fp16 where the processor has it."""

    network: BenchmarkNetwork
    target: Target
    threads: int
    half: bool


def profiles(runs: Sequence[NcnnRun], advance: Callable[[], None]) -> list[Profile]:
    """The profile of every run; kept in the cache folder, two processes at a time, `advance` called after each.

    Runs whose targets differ in nothing that is emulated share a profile. Raises `RunError` when QEMU or ncnn fails.
    """
    store, keys = ProfileStore(_STORE), _keys(runs)
    groups: dict[str, list[NcnnRun]] = {}
    for key, run in zip(keys, runs, strict=True):
        groups.setdefault(key, []).append(run)

    def profile(key: str) -> Profile:
        found = store.get(key)
        if found is None:
            found = _emulate(groups[key][0])
            store.put(key, found)
        for _ in groups[key]:
            advance()
        return found

    pool = ThreadPoolExecutor(PROCESSES)
    try:
        found = dict(zip(groups, pool.map(profile, groups), strict=True))
    finally:
        pool.shutdown(cancel_futures=True)
    return [found[key] for key in keys]


def kept(runs: Sequence[NcnnRun]) -> list[Profile | None]:
    """The profile of every run that has one in the cache folder; nothing is emulated."""
    store = ProfileStore(_STORE)
    return [store.get(key) for key in _keys(runs)]


def _keys(runs: Sequence[NcnnRun]) -> list[str]:
    cpus = {target.name: find_emulator(target).cpu for target in {run.target.name: run.target for run in runs}.values()}
    return [_key(run, cpus[run.target.name]) for run in runs]


def _key(run: NcnnRun, cpu: str) -> str:
    parts = [NCNN, plugin_version("aarch64"), _PROGRAM.read_text(), _OPENMP.read_text(), run.network.param]
    parts += [cpu, hex(_identity(run.target)), str(run.target.cores), repr(caches_of(run.target))]
    parts += [str(run.network.shape), str(run.threads), str(run.half), str(run.network.warm_ups)]
    return digest("\0".join(parts))


def _emulate(run: NcnnRun) -> Profile:
    guest, wheels = _guest(_identity(run.target), run.target.cores), _wheels()
    shape = ",".join(map(str, run.network.shape))
    with tempfile.TemporaryDirectory() as name:
        param = Path(name, "network.param")
        param.write_text(run.network.param)
        arguments = [str(param), shape, str(run.threads), str(run.network.warm_ups), str(int(run.half))]
        preload = ["-E", f"LD_PRELOAD={wheels / 'openmp.so'}"]
        command = [*preload, *guest.command(str(_PROGRAM), *arguments)]
        environment = guest.environment(run.threads, wheels / "site")
        try:
            marks = run_profiled(
                find_emulator(run.target), caches_of(run.target), command, environment=environment, limit_s=_LIMIT_S
            )
        except RunError as error:
            raise RunError(f"{run.network.name} for {run.target.name}: {error}") from error
    # The first mark ends what comes before the inference.
    return marks[1][1]


@cache
def _wheels() -> Path:
    """A folder with ncnn in `site`, and our OpenMP; raises `RunError` when a download or the compiler fails."""
    key = digest(NCNN + _OPENMP.read_text(), 12)
    folder = cache_folder() / "validation" / f"ncnn-{key}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            made = Path(name, "made")
            install([NCNN], made / "site", emulated=True)
            options = ["-target", "aarch64-linux-gnu", "-shared", "-fPIC", "-O2"]
            run_step("compiling OpenMP's stand-in", ZIG, "cc", *options, "-o", str(made / "openmp.so"), str(_OPENMP))
            publish(made, folder)
    return folder


@cache
def _guest(identity: int, cores: int) -> Guest:
    """The guest, which finds what Linux says of the processors."""
    guest = find_guest()
    files = {"proc/cpuinfo": "".join(f"processor\t: {core}\n\n" for core in range(cores))}
    for core in range(cores):
        files[f"sys/devices/system/cpu/cpu{core}/regs/identification/midr_el1"] = f"0x{identity:016x}\n"
    name = f"root-{guest.root.parent.name}-{identity:x}-{cores}"
    return with_files(guest, cache_folder() / "validation" / name, files)


def _identity(target: Target) -> int:
    return _IDENTITY.get(str(target.tvm_target.get("mcpu")), _OTHER)
