"""Token reduction: how much of the gain in MACs arrives as time, here and predicted for an RK3399.

    python benchmarks/tokens.py --device rk3399 --threads 1
    python benchmarks/tokens.py --device host --threads 1 --engines bench onnxruntime --save tokens.jsonl

DeiT-Tiny and DeiT-Small at 224 pixels with every method of `blockfront.blocks.tokens`, at several shares of the blocks'
MACs. The gain that arrives is (1 - ms / plain ms) / (1 - MACs / plain MACs), MACs without the method's own: what
scoring and matching cost is time only. `--overhead` adds, for the shares it names, a network that keeps as many tokens
and merely slices; the difference is what scoring, matching, gathering and weighing cost. LTMP has assumed counts: time
depends on counts alone.

On the host a process of its own prepares all networks of a model for an engine, compares each with torch, and then
calls them in turns, in another order each time; the least time of each counts, because other programs only add time.
For a board times are predicted by the runner `emulated`.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from kernels import Job, Row, measure
from slicing import SUFFIX
from token_table import Reduced, table, verdict

from blockfront.cores import usable_cores

MODELS = {
    "deit_tiny": "vit_224_n1000/p16_d12_w192_h3_m4",
    "deit_small": "vit_224_n1000/p16_d12_w384_h6_m4",
}
METHODS = ("ltmp", "tome", "cropr", "evit", "random")
TARGETS = (0.9, 0.75, 0.6, 0.45)
JUDGED, GOAL = 0.6, 0.85
OURS, OTHER = "bench", "onnxruntime"
TURNS, CALLS = 12, 3


def measured(job: Job, networks: list[str]) -> Iterator[Row]:
    """A row a network, from a process of this job's own: an engine's threads outlive its networks."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield from pool.submit(take_turns, job, networks).result()


def take_turns(job: Job, networks: list[str]) -> list[Row]:
    """A row a network, all of them called in turns."""
    from engines import engine_version, prepare

    calls: dict[str, Callable[[], object]] = {}
    rows: list[Row] = []
    for network in networks:
        try:
            calls[network], _ = prepare(job.engine, network, job.resolution, job.threads)
        except Exception as error:
            rows.append(job.row(network) | {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"})
    rng = random.Random(job.round)
    samples: dict[str, list[float]] = {network: [] for network in calls}
    for _ in range(TURNS):
        for network in rng.sample(list(calls), len(calls)):
            calls[network]()  # Another network's weights are in the caches.
            for _ in range(CALLS):
                start = time.perf_counter()
                calls[network]()
                samples[network].append(1e3 * (time.perf_counter() - start))
    for network, its in samples.items():
        figures = {"median_ms": statistics.median(its), "least_ms": min(its), "samples": len(its)}
        rows.append(job.row(network) | figures | {"version": engine_version(job.engine)})
    return rows


def predict(job: Job, networks: list[str]) -> Iterator[Row]:
    """A row a network: its latency on the board that the job names in place of an engine."""
    from networks import create, find

    from blockfront.errors import RunError
    from blockfront.targets import METERS, RunOptions, compile_model, get_target

    target, meter = get_target(job.engine), METERS["emulated"]
    for network in networks:
        try:
            signature = find(network, job.resolution).signature
            program = compile_model(create(network, job.resolution), signature, target, threads=job.threads)
            latency = meter.latency(program, RunOptions(target=target, threads=job.threads))
        except RunError as error:
            yield job.row(network) | {"error": str(error)}
        else:
            yield job.row(network) | {"median_ms": latency.median_ms, "version": str(latency.prediction)}


def macs_of(text: str) -> float:
    """MACs of the layers; what a method itself multiplies is not in it."""
    from blockfront.blocks.tokens import ReducedTransformer, count_macs
    from blockfront.design_space import Network

    network = Network.parse(text)
    module = network.deployed()
    return float(count_macs(module)) if isinstance(module, ReducedTransformer) else float(network.cost.macs)


def reduced(rows: list[Row], arguments: argparse.Namespace) -> list[Reduced]:
    """What was timed of every reduced network beside its plain one, on `arguments.threads`."""
    times: dict[tuple[str, str], float] = {}
    for row in rows:
        if "error" not in row:
            key = row["engine"], row["network"]
            times[key] = min(times.get(key, float("inf")), row.get("least_ms", row["median_ms"]))
    engine = OURS if arguments.device == "host" else arguments.device
    found = []
    for model in arguments.models:
        plain = MODELS[model]
        for method, target in [(method, target) for method in arguments.methods for target in arguments.targets]:
            text = f"{plain}/{method}_target{target:g}"
            if (engine, text) in times and (engine, plain) in times:
                found.append(
                    Reduced(
                        model=model,
                        method=method,
                        target=target,
                        macs=macs_of(text),
                        plain_macs=macs_of(plain),
                        ms=times[engine, text],
                        plain_ms=times[engine, plain],
                        sliced_ms=times.get((engine, text + SUFFIX)),
                        other_ms=times.get((OTHER, text)),
                        other_plain_ms=times.get((OTHER, plain)),
                    )
                )
    return found


def texts(arguments: argparse.Namespace, model: str, engine: str) -> tuple[str, ...]:
    """What an engine times of a model: plain, reduced, and merely sliced where asked for."""
    found = [MODELS[model]]
    for target in arguments.targets if engine != OTHER else arguments.other_targets:
        of_target = [f"{MODELS[model]}/{method}_target{target:g}" for method in arguments.methods]
        sliced = target in arguments.overhead and engine != OTHER
        found += of_target + [text + SUFFIX for text in of_target if sliced]
    return tuple(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="host", help="host, or a target to predict for")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--targets", nargs="+", type=float, default=list(TARGETS), help="shares of the blocks' MACs")
    parser.add_argument("--overhead", nargs="*", type=float, default=[JUDGED], help="shares at which to slice as well")
    parser.add_argument("--engines", nargs="+", choices=(OURS, OTHER), default=[OURS], help="on the host")
    parser.add_argument("--other-targets", nargs="*", type=float, default=[JUDGED], help=f"shares for {OTHER}")
    parser.add_argument("--threads", type=int, choices=range(1, usable_cores() + 1), default=1)
    parser.add_argument("--rounds", type=int, default=1, help="times that everything is done on the host")
    parser.add_argument("--save", type=Path, help="JSON lines, added to as they come; what it holds is not repeated")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    here = arguments.device == "host"
    jobs = [
        Job(engine, arguments.threads, number, 224, None, texts(arguments, model, engine))
        for number in range(arguments.rounds if here else 1)
        for model in arguments.models
        for engine in (arguments.engines if here else [arguments.device])
    ]
    rows = measure(jobs, arguments.save, measured if here else predict)
    for row in rows:
        if "error" in row:
            print(f"{row['engine']} failed on {row['network']}: {row['error']}", file=sys.stderr)
    found = reduced(rows, arguments)
    if arguments.json:
        print(json.dumps([asdict(row) | {"arrives": row.arrives} for row in found]))
        return
    print(table(found, OTHER if here and OTHER in arguments.engines else None))
    print("\n" + verdict(found, JUDGED, GOAL))
    versions = {row["engine"]: row["version"] for row in rows if "error" not in row}
    print("\n" + "; ".join(f"{engine} {version}" for engine, version in versions.items()))


if __name__ == "__main__":
    main()
