"""Networks compiled and profiled a minute: the `mobile` space at 224 pixels for an RK3399, roofline, no training.

    python benchmarks/throughput.py --n 200 --workers 2

Starts with an empty kernel cache unless `--warm`. Importing the libraries is excluded and reported apart. Prints the
rate, the seconds each step takes on one core, the workers' memory, and the same for TVM's own default pipeline.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

STEPS = ("export_module", "lower", "compile_kernels", "finalize", "link_program", "link_kernels", "_run", "_describe")
_spent: Counter[str] = Counter()
_started = 0.0


def start() -> None:
    """Import everything in a worker, and put a clock around each step."""
    global _started
    began = time.perf_counter()
    import torch

    import bench.targets.compiling as compiling

    torch.set_num_threads(1)
    for name in STEPS:
        setattr(compiling, name, partial(_clocked, name, getattr(compiling, name)))
    _started = time.perf_counter() - began


def _clocked(name: str, function: Any, *args: Any, **kwargs: Any) -> Any:
    began = time.perf_counter()
    try:
        return function(*args, **kwargs)
    finally:
        _spent[name] += time.perf_counter() - began


def profile(text: str) -> dict[str, Any]:
    """Build, compile, verify and predict one network."""
    import psutil

    from bench.blocks import deploy
    from bench.design_space import Network
    from bench.targets import RUNNERS, RunOptions, compile_model, get_target

    _spent.clear()
    began = time.perf_counter()
    network, target = Network.parse(text), get_target("rk3399")
    program = compile_model(deploy(network.build()), network.resolution, target, seed=0)
    RUNNERS["roofline"].run(program, RunOptions(target=target, threads=target.cores))
    total = time.perf_counter() - began
    memory = psutil.Process().memory_info().rss
    return {"seconds": total, "steps": dict(_spent), "start": _started, "worker": os.getpid(), "rss": memory}


def tvm_default(text: str) -> dict[str, Any]:
    """TVM's importer and default pipeline, nothing verified."""
    import torch
    import tvm
    from tvm.relax.frontend.torch import from_exported_program

    from bench.blocks import deploy
    from bench.design_space import Network
    from bench.targets import get_target

    began = time.perf_counter()
    network = Network.parse(text)
    image = torch.zeros(1, 3, network.resolution, network.resolution)
    exported = torch.export.export(deploy(network.build()), (image,))
    module = from_exported_program(exported, run_ep_decomposition=True, unwrap_unit_return_tuple=True)
    tvm.compile(module, get_target("rk3399").compiler())
    return {"seconds": time.perf_counter() - began}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument("--default-n", type=int, default=10, help="networks for TVM's default pipeline")
    parser.add_argument("--warm", action="store_true", help="use the kernel cache as it is")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    from bench.design_space import load_space

    os.environ.update(OMP_NUM_THREADS="1", TVM_NUM_THREADS="1")
    space = load_space("mobile", resolution=arguments.resolution)
    texts = [str(space.sample(0, index)) for index in range(arguments.n)]
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.warm:
            os.environ["BENCH_CACHE"] = folder
        result = measure(texts, texts[: arguments.default_n], arguments.workers)
    print(json.dumps(result) if arguments.json else table(result))


def measure(texts: list[str], few: list[str], workers: int) -> dict[str, Any]:
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=start) as pool:
        list(pool.map(time.sleep, [1.0] * workers))
        began = time.perf_counter()
        rows = list(pool.map(profile, texts))
        wall = time.perf_counter() - began
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=start) as pool:
        default = [row["seconds"] for row in pool.map(tvm_default, few)]
    steps = {name: sum(row["steps"].get(name, 0.0) for row in rows) / len(rows) for name in STEPS}
    seconds = sum(row["seconds"] for row in rows) / len(rows)
    return {
        "networks": len(rows),
        "workers": workers,
        "wall_s": wall,
        "networks_a_minute": 60 * len(rows) / wall,
        "start_s": max(row["start"] for row in rows),
        "core_s_a_network": seconds,
        "core_s_by_step": steps | {"other": seconds - sum(steps.values())},
        "core_s_a_network_last_quarter": _mean([row["seconds"] for row in rows[-len(rows) // 4 :]]),
        "peak_worker_rss_mib": max(row["rss"] for row in rows) / 2**20,
        "rss_mib_by_network": [row["rss"] / 2**20 for row in rows],
        "tvm_default_core_s_a_network": _mean(default) if default else None,
    }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def table(result: dict[str, Any]) -> str:
    lines = [
        f"{result['networks']} networks in {result['wall_s']:.0f} s on {result['workers']} workers: "
        f"**{result['networks_a_minute']:.0f} a minute** (start of a worker, not counted: {result['start_s']:.1f} s; "
        f"memory of the largest worker: {result['peak_worker_rss_mib']:.0f} MiB)",
        "",
        "| step | core seconds a network |",
        "|---|---|",
        *(f"| {name.strip('_')} | {seconds:.3f} |" for name, seconds in result["core_s_by_step"].items()),
        f"| **all** | **{result['core_s_a_network']:.2f}** |",
        f"| all, last quarter of the networks | {result['core_s_a_network_last_quarter']:.2f} |",
    ]
    if result["tvm_default_core_s_a_network"]:
        lines.append(f"| TVM's default pipeline, not verified | {result['tvm_default_core_s_a_network']:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
