"""Latency of C libraries that `bench take` makes beside that of the suite's own runner, on this machine.

    python benchmarks/taken.py --models mobilenetv2_100 resnet18 --threads 1 2

Both run the same kernels on the same input: the library through ctypes, the program through TVM's virtual machine. They
take turns, a few inferences each, in random order, and each in a process of its own that waits meanwhile; the table has
the medians, and the median of the turns' ratios.
"""

from __future__ import annotations

import argparse
import ctypes
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

TURNS, SECONDS = 40, 0.1


def library_call(name: str, threads: int) -> Callable[[], Any]:
    """An inference by the C library."""
    from blockfront.targets.library import make_library

    program, target = _compiled(name, threads)
    folder = tempfile.mkdtemp()
    library = make_library(program, target, Path(folder))
    sizes = [one.bytes for one in (*library.interface.inputs, *library.interface.outputs)]
    memory = [np.zeros(size + 64, "uint8") for size in (*sizes, library.workspace_bytes)]
    blocks = [block[-block.ctypes.data % 64 :] for block in memory]
    blocks[0][: sizes[0]] = np.frombuffer(program.samples[0], "uint8")
    addresses = [ctypes.c_void_p(block.ctypes.data) for block in blocks]
    run = ctypes.CDLL(f"{folder}/libnet.so").net_run
    return lambda: (run(*addresses), memory)


def runner_call(name: str, threads: int) -> Callable[[], Any]:
    """An inference as the meter `local` times it."""
    import tvm

    from blockfront.targets.compiler.linking import load_library
    from blockfront.targets.compiler.threads import use_threads

    program, _ = _compiled(name, threads)
    use_threads(threads)
    main = tvm.relax.VirtualMachine(load_library(program.library.content), tvm.cpu())["main"]
    tensor = tvm.runtime.tensor(program.inputs[0])
    return lambda: main(tensor)


def _compiled(name: str, threads: int) -> Any:
    from blockfront.services.models import find_model
    from blockfront.services.profile import build_model
    from blockfront.targets import compile_model, get_target
    from blockfront.training import seeded

    model, target = find_model(name), get_target("host")
    with seeded(0):
        module, _ = build_model(model)
    return compile_model(module, model.signature, target, threads=threads, seed=0, alone=True), target


def serve(make: Callable[[str, int], Callable[[], Any]], name: str, threads: int, asked: Connection) -> None:
    """Answer each request with the milliseconds of an inference, one turn's median."""
    call = make(name, threads)
    call()
    asked.send(None)
    while asked.recv():
        times, end = [], time.perf_counter() + SECONDS
        while time.perf_counter() < end or len(times) < 3:
            start = time.perf_counter()
            call()
            times.append(1e3 * (time.perf_counter() - start))
        asked.send(statistics.median(times))


def compare(name: str, threads: int) -> tuple[float, float, float]:
    """Median milliseconds of the library and of the runner, and the median ratio."""
    context, pipes, processes = get_context("spawn"), [], []
    for make in (library_call, runner_call):
        ours, theirs = context.Pipe()
        processes.append(context.Process(target=serve, args=(make, name, threads, theirs)))
        processes[-1].start()
        pipes.append(ours)
        ours.recv()
    turns = []
    for _ in range(TURNS):
        turn = {}
        for place in random.sample(range(2), 2):
            pipes[place].send(True)
            turn[place] = pipes[place].recv()
        turns.append((turn[0], turn[1]))
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send(False)
        process.join()
    library, runner = zip(*turns, strict=True)
    return statistics.median(library), statistics.median(runner), statistics.median(a / b for a, b in turns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["mobilenetv2_100", "mobilenetv3_small_100", "resnet18"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    chosen = parser.parse_args()
    print("| model | threads | C library ms | runner ms | ratio |\n| --- | --- | --- | --- | --- |")
    for name in chosen.models:
        for threads in chosen.threads:
            library, runner, ratio = compare(name, threads)
            print(f"| {name} | {threads} | {library:.2f} | {runner:.2f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
