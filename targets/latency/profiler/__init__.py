"""What a target's code executes and what its caches fetch, counted under QEMU without the target."""

from blockfront.targets.latency.profiler.caches import Cache, Caches, caches_of
from blockfront.targets.latency.profiler.counts import Counts, Profile, Region
from blockfront.targets.latency.profiler.emulators import (
    Emulator,
    architecture_of,
    emulated_cpu,
    emulator_obstacle,
    find_emulator,
)
from blockfront.targets.latency.profiler.kernels import profile_calls, profile_kernels
from blockfront.targets.latency.profiler.running import run_profiled

__all__ = [
    "Cache",
    "Caches",
    "Counts",
    "Emulator",
    "Profile",
    "Region",
    "architecture_of",
    "caches_of",
    "emulated_cpu",
    "emulator_obstacle",
    "find_emulator",
    "profile_calls",
    "profile_kernels",
    "run_profiled",
]
