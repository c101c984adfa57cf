"""How long networks take on a model of an accelerator, from an empty cache and from a full one.

    python benchmarks/accelerators.py --target edge_tpu_like
    python benchmarks/accelerators.py --check

Networks of the `mobile` space at 224 pixels, in one process on one core; seconds are the process's own. All of `--n`
are built and their layers read, so that the distinct layers are counted; of the first `--simulate` the layers are
simulated, in an empty cache, and from that cache again. The time for all is extrapolated: the distinct layers of each
kind at the mean seconds of those of that kind that were simulated. `--check` compares cycles and energy of ZigZag's
shipped MobileNetV2 and ResNet-18 with what ZigZag's own interface gives, at the default of its search.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

RESOLUTION = 224
DEFAULT_LOOPS = 6


def kind_of(layer: Any) -> str:
    """What decides how long ZigZag searches: how many of a layer's dimensions are loops."""
    if layer.kernel == (1, 1):
        return "1 × 1" if layer.groups == 1 else "1 × 1 in groups"
    if layer.in_chs == layer.out_chs == 1:
        return "depthwise"
    return "dense k × k" if layer.groups == 1 else "k × k in groups"


def read_networks(n: int) -> tuple[list[Any], float]:
    """The workloads of the first networks, and the seconds a network that took."""
    from blockfront.blocks import deploy
    from blockfront.design_space import load_space
    from blockfront.targets.latency.accelerators import make_workload

    space, start = load_space("mobile", resolution=RESOLUTION), time.process_time()
    networks = [space.sample(seed=0, index=i) for i in range(n)]
    workloads = [make_workload(deploy(network.build()), network.signature) for network in networks]
    return workloads, (time.process_time() - start) / n


def simulate(workloads: list[Any], options: Any) -> tuple[dict[str, list[float]], float, float]:
    """Seconds of each distinct layer by kind, of all networks cold, and of all networks warm."""
    from blockfront.targets import METERS
    from blockfront.targets.latency.accelerators.simulator import layer_cost

    seconds: dict[str, list[float]] = defaultdict(list)
    start = time.process_time()
    for layer in dict.fromkeys(layer for workload in workloads for layer in workload.layers):
        begun = time.process_time()
        layer_cost(layer, options.target, options.description)
        seconds[kind_of(layer)].append(time.process_time() - begun)
    cold = time.process_time() - start
    start = time.process_time()
    for workload in workloads:
        METERS["simulated"].latency(workload, options)
    return seconds, cold, time.process_time() - start


def measure(target: str, n: int, simulated: int) -> str:
    """The tables, as text."""
    import torch

    from blockfront.targets import Asked, choose, find_hardware

    torch.set_num_threads(1)
    workloads, reading = read_networks(n)
    options = choose(Asked(find_hardware(target))).options
    seconds, cold, warm = simulate(workloads[:simulated], options)
    seen: set[Any] = set()
    fresh: list[int] = []
    for workload in workloads:
        fresh.append(len(set(workload.layers) - seen))
        seen |= set(workload.layers)
    layers: dict[str, int] = defaultdict(int)
    for layer in seen:
        layers[kind_of(layer)] += 1
    everything = statistics.mean(second for row in seconds.values() for second in row)
    lines = ["| layer | distinct | simulated | s each |", "|---|---|---|---|"]
    total = 0.0
    for kind in sorted(layers):
        each = statistics.mean(seconds[kind]) if seconds[kind] else everything
        total += each * layers[kind]
        lines.append(f"| {kind} | {layers[kind]} | {len(seconds[kind])} | {each:.2f} |")
    step = max(1, n // 5)
    falling = ", ".join(f"{statistics.mean(fresh[i : i + step]):.1f}" for i in range(0, n, step))
    return "\n".join(
        [
            *lines,
            "",
            f"{n} networks have {len(seen)} distinct layers; new ones a network, by fifths: {falling}",
            f"{simulated} networks on {target}: cold {cold:.0f} s, warm {warm:.2f} s, "
            f"reading a network {reading:.2f} s",
            f"{n} networks cold, extrapolated: {(total + n * reading) / 60:.0f} min on one core",
        ]
    )


def check(target: str) -> str:
    """Our cycles and energy beside ZigZag's for its own workloads."""
    import zigzag
    from torchvision import models
    from zigzag.api import get_hardware_performance_zigzag

    from blockfront.signature import Signature
    from blockfront.targets import Asked, choose, find_hardware
    from blockfront.targets.latency.accelerators import make_workload
    from blockfront.targets.latency.accelerators.simulator import simulate as cost_of

    logging.disable(logging.CRITICAL)
    inputs = Path(zigzag.__file__).parent / "inputs"
    options = choose(Asked(replace(find_hardware(target), loops=DEFAULT_LOOPS))).options
    lines = ["| network | cycles | ZigZag's | pJ | ZigZag's |", "|---|---|---|---|---|"]
    for model, file in (("mobilenet_v2", "mobilenetv2"), ("resnet18", "resnet18")):
        layers = make_workload(models.get_model(model, weights=None), Signature.image(RESOLUTION)).layers
        costs = [(calls, cost_of(layer, options.target, options.description)) for layer, calls in layers.items()]
        cycles, energy = (
            sum(calls * value for calls, value in values)
            for values in ([(n, cost.cycles) for n, cost in costs], [(n, cost.energy_pj) for n, cost in costs])
        )
        paths = [
            str(inputs / "hardware" / f"{target}.yaml"),
            options.target.mapping.replace("zigzag:", f"{inputs}/"),
        ]
        with tempfile.TemporaryDirectory() as folder:
            theirs = get_hardware_performance_zigzag(
                str(inputs / "workload" / f"{file}.onnx"), *paths, dump_folder=folder, loma_show_progress_bar=False
            )
        lines.append(f"| {model} | {cycles:,.0f} | {theirs[1]:,.0f} | {energy:,.3f} | {theirs[0]:,.3f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="edge_tpu_like")
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--simulate", type=int, default=20)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.check:
        print(check(options.target))
        return
    with tempfile.TemporaryDirectory() as cache:
        os.environ["BENCH_CACHE"] = cache
        print(measure(options.target, options.n, options.simulate))


if __name__ == "__main__":
    main()
