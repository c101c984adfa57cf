"""Networks compiled and profiled a minute: the `mobile` space at 224 pixels for an RK3399, no training.

    python benchmarks/throughput.py --n 200 --workers 2
    python benchmarks/throughput.py --n 100 --workers 2 --runner emulated --default-n 0

Starts with an empty kernel cache unless `--warm`. What a sweep's worker does is measured; drawing networks and counting
their MACs is done before. Starting a worker (imports, and one small network so that everything is loaded) is excluded
and reported apart. Prints the rate, the core seconds of each step, the workers' memory as the networks pass, and the
same for TVM's own default pipeline on a few of them. A core second is a second of processor time of a worker and of
the linkers it starts: what else runs on the machine bends the rate more than the core seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

STEPS = {
    "build": "build the network",
    "export_module": "record its operators",
    "lower": "import, legalise, fuse",
    "compile_kernels": "schedule and compile kernels",
    "call_by_symbol": "lay out weights",
    "finalize": "plan memory",
    "link_program": "link for the board",
    "load_program": "link for the check here",
    "_run": "run",
    "describe_kernels": "describe",
    "profile_kernels": "count kernels under emulation",
}
OTHER = "run torch, predict, other"
TVM = "TVM's default pipeline: unscheduled kernels, not verified"
_spent: Counter[str] = Counter()
_start = {"wall_s": 0.0, "core_s": 0.0}


def core_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def start(ready: Any, warm_up: Callable[[str], Any], text: str) -> None:
    """Import everything in a worker, put a clock around each step, and wait for the other workers."""
    began = time.perf_counter()
    import torch

    from blockfront.design_space import Network
    from blockfront.targets.compiler import compiling, processor
    from blockfront.targets.latency.meters import emulated

    torch.set_num_threads(1)
    kind = type(Network.parse(text))
    for name in STEPS:
        owner = next(owner for owner in (kind, compiling, processor, emulated) if hasattr(owner, name))
        setattr(owner, name, _clocked(name, getattr(owner, name)))
    warm_up(text)
    _start.update(wall_s=time.perf_counter() - began, core_s=core_seconds())
    ready.wait()


def _clocked(name: str, function: Any) -> Any:
    def clocked(*args: Any, **kwargs: Any) -> Any:
        began = core_seconds()
        try:
            return function(*args, **kwargs)
        finally:
            _spent[name] += core_seconds() - began

    return clocked


def _measured(work: Callable[[str], Any], text: str) -> dict[str, Any]:
    import psutil

    _spent.clear()
    began = core_seconds()
    work(text)
    return {
        "core_s": core_seconds() - began,
        "steps": dict(_spent),
        "start": dict(_start),
        "rss": psutil.Process().memory_info().rss,
        "peak": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def profile(runner: str, text: str) -> None:
    """Build, compile, verify and predict one network, as a sweep's worker does."""
    from blockfront.design_space import Network
    from blockfront.sweep.stages import Job, profile_network
    from blockfront.targets import Asked, choose, get_target

    job = Job(Network.parse(text).id, text, seed=0, threads=1)
    profile_network(job, choose(Asked(get_target("rk3399")), runner=runner))


def tvm_default(text: str) -> None:
    """TVM's importer and default pipeline, nothing verified."""
    import torch
    import tvm
    from tvm.relax.frontend.torch import from_exported_program

    from blockfront.design_space import Network
    from blockfront.targets import get_target

    network = Network.parse(text)
    image = torch.zeros(1, 3, network.resolution, network.resolution)
    exported = torch.export.export(network.deployed(), (image,))
    module = from_exported_program(exported, run_ep_decomposition=True, unwrap_unit_return_tuple=True)
    tvm.compile(module, get_target("rk3399").compiler())


def run(work: Callable[[str], Any], texts: list[str], warm_up: str, workers: int) -> tuple[list[dict[str, Any]], float]:
    """A row for each network, and the seconds from when all workers had started."""
    context = get_context("spawn")
    ready = context.Barrier(workers + 1)
    with ProcessPoolExecutor(workers, context, start, (ready, work, warm_up)) as pool:
        rows = pool.map(partial(_measured, work), texts)
        ready.wait()
        began = time.perf_counter()
        return list(rows), time.perf_counter() - began


def summary(rows: list[dict[str, Any]], wall: float, workers: int) -> dict[str, Any]:
    steps = {name: _mean([row["steps"].get(name, 0.0) for row in rows]) for name in STEPS}
    total = _mean([row["core_s"] for row in rows])
    return {
        "networks": len(rows),
        "workers": workers,
        "wall_s": wall,
        "networks_a_minute": 60 * len(rows) / wall,
        "start_wall_s": max(row["start"]["wall_s"] for row in rows),
        "start_core_s": max(row["start"]["core_s"] for row in rows),
        "core_s_a_network": total,
        "core_s_by_step": steps | {"other": total - sum(steps.values())},
        "core_s_a_network_last_quarter": _mean([row["core_s"] for row in rows[-len(rows) // 4 :]]),
        "peak_worker_mib": max(row["peak"] for row in rows) / 2**20,
        "worker_mib": {done: _memory(rows, done) for done in _marks(len(rows))},
    }


def _marks(count: int) -> list[int]:
    hundreds = list(range(100, count + 1, 100))
    return [min(20, count), *hundreds] if hundreds else [count]


def _memory(rows: list[dict[str, Any]], done: int) -> float:
    """MiB of the larger worker when `done` networks are done; networks end about in order."""
    return max(row["rss"] for row in rows[max(done - 8, 0) : done]) / 2**20


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def table(result: Mapping[str, Any], default: Mapping[str, Any] | None) -> str:
    spent = result["core_s_by_step"]
    rows = [(title, spent[name]) for name, title in STEPS.items() if spent[name]]
    rows += [(OTHER, spent["other"]), ("**all**", result["core_s_a_network"])]
    rows += [("all, last quarter of the networks", result["core_s_a_network_last_quarter"])]
    rows += [(TVM, default["core_s_a_network"])] if default else []
    memory = ", ".join(f"{mib:.0f} MiB after {done}" for done, mib in result["worker_mib"].items())
    return "\n".join(
        [
            f"{result['networks']} networks in {result['wall_s']:.0f} s on {result['workers']} workers: "
            f"**{result['networks_a_minute']:.0f} a minute**. Starting a worker, not counted: "
            f"{result['start_wall_s']:.1f} s ({result['start_core_s']:.1f} core seconds). "
            f"Memory of the largest worker: {memory}; at most {result['peak_worker_mib']:.0f} MiB.",
            "",
            "| step | core seconds a network |",
            "|---|---|",
            *(f"| {title} | {seconds:.3f} |" for title, seconds in rows),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument("--default-n", type=int, default=10, help="networks for TVM's default pipeline")
    parser.add_argument("--runner", choices=["roofline", "emulated"], default="roofline")
    parser.add_argument("--warm", action="store_true", help="use the kernel cache as it is")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    from blockfront.design_space import load_space

    os.environ.update(OMP_NUM_THREADS="1", TVM_NUM_THREADS="1")
    space = load_space("mobile", resolution=arguments.resolution)
    texts = [str(space.sample(0, index)) for index in range(arguments.n)]
    warm_up = str(load_space("mobile", resolution=32).sample(0, 0))
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.warm:
            os.environ["BENCH_CACHE"] = folder
        result = summary(*run(partial(profile, arguments.runner), texts, warm_up, arguments.workers), arguments.workers)
    default = None
    if few := texts[: arguments.default_n]:
        default = summary(*run(tvm_default, few, warm_up, arguments.workers), arguments.workers)
    print(json.dumps({"bench": result, "tvm_default": default}) if arguments.json else table(result, default))


if __name__ == "__main__":
    main()
