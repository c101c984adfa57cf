"""How far the sum over kernels, each profiled alone, is from the whole network's run under emulation.

    python benchmarks/emulation.py --n 20

Networks of the `mobile` space at 224 pixels, for an RK3399's Cortex-A72 on one and two threads. The whole network runs
twice in the memory that TVM planned, and the second inference counts. Instructions must be the same; caches find
other things when a kernel runs alone: the table has the ratio, alone over whole, of the lines fetched into L1, of the
lines from memory, and of the milliseconds that the model of the core makes of it.
"""

from __future__ import annotations

import argparse
import json
import statistics
from typing import Any

RATIOS = {"l1_lines": "lines into L1", "memory_lines": "lines from memory", "ms": "milliseconds"}


def compare(text: str, threads: int) -> dict[str, Any]:
    """A row: the network, and alone over whole."""
    from blockfront.design_space import Network
    from blockfront.targets import compile_model, get_target
    from blockfront.targets.latency.prediction import core_model
    from blockfront.targets.latency.profiler import Counts, profile_calls, profile_kernels

    target, network = get_target("rk3399"), Network.parse(text)
    model = core_model(target)
    program = compile_model(network.deployed(), network.signature, target, threads=threads, seed=0)
    kernels = profile_kernels(program, target)
    alone, whole = [kernels[call.symbol] for call in program.calls], profile_calls(program, target)
    one, other = (sum((profile.total for profile in profiles), Counts()) for profiles in (alone, whole))
    assert one.instructions == other.instructions, "a kernel executes other instructions alone"
    times = [sum(model.milliseconds(profile, target) for profile in profiles) for profiles in (alone, whole)]
    return {
        "network": network.id,
        "family": network.family,
        "threads": threads,
        "l1_lines": one.l1_misses / other.l1_misses,
        "memory_lines": one.l2_misses / other.l2_misses,
        "ms": times[0] / times[1],
    }


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| alone / whole | threads | networks | median | least | most |", "|---|---|---|---|---|---|"]
    for key, title in RATIOS.items():
        for threads in sorted({row["threads"] for row in rows}):
            found = [row[key] for row in rows if row["threads"] == threads]
            cells = [f"{value:.2f}" for value in (statistics.median(found), min(found), max(found))]
            lines.append(f"| {title} | {threads} | {len(found)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    from blockfront.design_space import load_space

    space = load_space("mobile", resolution=224)
    texts = [str(space.sample(0, index)) for index in range(arguments.n)]
    rows = [compare(text, threads) for text in texts for threads in (1, 2)]
    print(json.dumps(rows) if arguments.json else table(rows))


if __name__ == "__main__":
    main()
