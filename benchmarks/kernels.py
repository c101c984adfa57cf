"""Latency of the suite's kernels against other CPU runtimes, on this machine.

    python benchmarks/kernels.py --threads 1 2 --models mobilenetv2_100 resnet18

Batch 1, float32, the same number of threads for all. Every engine and network has a process of its own; the
processes take turns in random order, and the table gives each engine's median of its processes' medians and the
ratio of ours to it. Needs the extra `[peers]`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

MODELS = ["mobilenetv2_100", "mobilenetv3_large_100", "efficientnet_b0", "resnet18", "vit_tiny_patch16_224"]
SECONDS, WARM_UP = 1.0, 5


def create(name: str) -> Any:
    import timm
    import torch

    torch.manual_seed(0)
    return timm.create_model(name, num_classes=1000).eval()


def bench(name: str, resolution: int, threads: int) -> list[float]:
    from bench.targets import RUNNERS, RunOptions, compile_model, get_target

    host = get_target("host")
    program = compile_model(create(name), resolution, host, threads=threads)
    options = RunOptions(target=host, threads=threads, seconds=SECONDS)
    return list(RUNNERS["local"].samples(program, options))


def onnxruntime(name: str, resolution: int, threads: int) -> list[float]:
    import io

    import numpy as np
    import onnxruntime as ort
    import torch

    buffer = io.BytesIO()
    torch.onnx.export(create(name), (torch.zeros(1, 3, resolution, resolution),), buffer, dynamo=False)
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = ort.InferenceSession(buffer.getvalue(), options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: np.random.rand(1, 3, resolution, resolution).astype("float32")}
    return timed(lambda: session.run(None, feed))


def pytorch(name: str, resolution: int, threads: int) -> list[float]:
    import torch

    torch.set_num_threads(threads)
    model = create(name).to(memory_format=torch.channels_last)
    image = torch.rand(1, 3, resolution, resolution).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        return timed(lambda: model(image))


def timed(call: Callable[[], Any]) -> list[float]:
    for _ in range(WARM_UP):
        call()
    samples, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(samples) < 10:
        start = time.perf_counter()
        call()
        samples.append(1e3 * (time.perf_counter() - start))
    return samples


ENGINES = {"bench": bench, "onnxruntime": onnxruntime, "pytorch": pytorch}


def in_own_process(engine: str, name: str, resolution: int, threads: int) -> float:
    """The median of one fresh process in milliseconds."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, "--one", engine, "--models", name]
    command += ["--resolution", str(resolution), "--threads", str(threads)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{engine} failed on {name}:\n{done.stderr[-2000:]}")
    return float(done.stdout.splitlines()[-1])


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    jobs = [(e, m, t) for e in arguments.engines for m in arguments.models for t in arguments.threads]
    medians: dict[tuple[str, str, int], list[float]] = {job: [] for job in jobs}
    rng = random.Random(0)
    for _ in range(arguments.rounds):
        for job in rng.sample(jobs, len(jobs)):
            engine, name, threads = job
            medians[job].append(in_own_process(engine, name, arguments.resolution, threads))
            print(f"{engine:12} {name} {threads}T {medians[job][-1]:.2f} ms", file=sys.stderr)
    rows = []
    for (engine, name, threads), values in medians.items():
        ours = medians.get(("bench", name, threads))
        row = {"model": name, "threads": threads, "engine": engine, "median_ms": statistics.median(values)}
        if ours:
            row["ratio"] = statistics.median(a / b for a, b in zip(ours, values, strict=True))
        rows.append(row | {"process_medians_ms": values})
    return rows


def table(rows: list[dict[str, Any]], engines: list[str]) -> str:
    """Markdown: milliseconds for each engine, and ours over it."""
    others = [engine for engine in engines if engine != "bench"]
    heads = ["model", "threads", "bench ms", *(f"{name} ms | ours / {name}" for name in others)]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * (3 + 2 * len(others))]
    cells = {(row["model"], row["threads"], row["engine"]): row for row in rows}
    for model, threads in dict.fromkeys((row["model"], row["threads"]) for row in rows):
        values = [model, str(threads), f"{cells[model, threads, 'bench']['median_ms']:.2f}"]
        for name in others:
            row = cells[model, threads, name]
            values += [f"{row['median_ms']:.2f}", f"{row['ratio']:.2f}"]
        lines.append("| " + " | ".join(values) + " |")
    for name in others:
        for threads in sorted({row["threads"] for row in rows}):
            ratios = [r["ratio"] for r in rows if r["engine"] == name and r["threads"] == threads]
            mean = statistics.geometric_mean(ratios)
            lines.append(f"\nGeometric mean, ours / {name}, {threads} thread(s): {mean:.2f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3, help="processes an engine and network")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=list(ENGINES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        samples = ENGINES[arguments.one](arguments.models[0], arguments.resolution, arguments.threads[0])
        print(statistics.median(samples))
        return
    rows = measure(arguments)
    print(json.dumps(rows) if arguments.json else table(rows, arguments.engines))


if __name__ == "__main__":
    main()
