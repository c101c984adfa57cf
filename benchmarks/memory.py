"""How a worker's memory grows over the networks that it profiles and trains: one process does what a sweep's does.

    python benchmarks/memory.py --n 200 --target rk3399 --runner roofline

After every ten networks it prints resident memory, what is left of it once the C library has given back what it holds
free, and how many objects of Python's and shared libraries there are; at the end, what emptying each of the suite's
caches frees.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import tempfile
from pathlib import Path
from typing import Any

import psutil

from blockfront.sweep.plan import resolve
from blockfront.sweep.request import make_request
from blockfront.sweep.stages import Job, profile_network, train_network


def _resident_mib() -> float:
    return psutil.Process().memory_info().rss / 2**20


def _trimmed_mib() -> float:
    """The same once the C library has given back what it holds free."""
    ctypes.CDLL(None).malloc_trim(0)
    return _resident_mib()


def _libraries() -> int:
    """Shared objects that this process has mapped."""
    return len({line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if ".so" in line})


def _caches() -> dict[str, Any]:
    """The functions of this suite that remember results, by name."""
    gc.unfreeze()
    found = [one for one in gc.get_objects() if hasattr(type(one), "cache_clear")]
    return {f"{one.__module__}.{one.__qualname__}": one for one in found if one.__module__.startswith("blockfront")}


def _print_caches() -> None:
    for name, cache in sorted(_caches().items()):
        size, before = cache.cache_info().currsize, _trimmed_mib()
        cache.cache_clear()
        gc.collect()
        if (freed := before - _trimmed_mib()) >= 1:
            print(f"{name} held {size} results in {freed:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--space", default="mobile")
    parser.add_argument("--target", default="rk3399")
    parser.add_argument("--runner", default="roofline")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--no-train", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        # An empty cache: every kernel is compiled, as by a worker that is the first to meet it.
        os.environ["BENCH_CACHE"] = cache
        options = {name: getattr(arguments, name) for name in ("space", "target", "runner", "dataset")}
        plan = resolve(make_request(**options, workers=1, epochs=1))
        print(f"{'networks':>8} {'MiB':>7} {'trimmed':>7} {'objects':>9} {'libraries':>9}")
        for index in range(arguments.n + 1):
            if index % 10 == 0:
                gc.collect()
                before = _resident_mib()
                counts = f"{len(gc.get_objects()):>9} {_libraries():>9}"
                print(f"{index:>8} {before:>7.0f} {_trimmed_mib():>7.0f} {counts}", flush=True)
            network = plan.space.sample(0, index)
            job = Job(network.id, str(network), 0, 1)
            profile_network(job, plan.means)
            if not arguments.no_train:
                assert plan.dataset is not None
                assert plan.recipe is not None
                train_network(job, plan.dataset, plan.recipe, "cpu").checkpoint.unlink(missing_ok=True)
        _print_caches()


if __name__ == "__main__":
    main()
