"""The same networks on a processor and on models of ML accelerators: where is the choice of block worth more?

    python examples/blocks_across_targets.py

Trains every network once, on scikit-learn's digits, gets its latency on each target, and writes the comparison. It
needs ZigZag (`pip install 'zigzag-dse==3.9.*' six`), and no board: the RK3399's latencies are predicted.
docs/accelerators.md has what came out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import blockfront
from blockfront.analysis import compare_targets, comparison_sentences, write_comparison
from blockfront.design_space import DesignSpace, Stage, choice, integer

TARGETS = ("rk3399", "edge_tpu_like", "tpu_like", "meta_prototype")

space = DesignSpace(
    "across",
    resolution=32,
    num_classes=10,
    stem=8,
    stem_stride=1,
    family=choice("ds", "ir", "er", "ghost", "shufflenet_v2", "basic"),
    stages=[
        Stage(depth=integer(1, 2), width=integer(16, 32, step=8), stride=2, expansion=choice(2, 4)),
        Stage(depth=integer(1, 2), width=integer(32, 64, step=16), stride=2, expansion=choice(2, 4)),
        Stage(depth=integer(1, 2), width=integer(64, 128, step=32), stride=2, expansion=choice(2, 4)),
    ],
    multiplier=choice(0.5, 1, 2),
    constraints={"macs": (0.8e6, 6e6)},
)


def main() -> None:
    """Sample on each target, compare, and say what the comparison says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", nargs="+", default=TARGETS, help="where to run them (default: %(default)s)")
    parser.add_argument("--n", type=int, default=42, help="networks; six families take turns")
    parser.add_argument("--epochs", type=int, default=None, help="passes over the images (default: the recipe's)")
    parser.add_argument("--storage", default="across.db", help="SQLite file that keeps the studies")
    parser.add_argument("--output", default="across.html", help="the page to write")
    parser.add_argument("--workers", type=int, default=None, help="worker processes (default: one a core)")
    options = parser.parse_args()
    studies = {}
    for target in options.targets:
        networks = blockfront.sample(
            options.n,
            target,
            space=f"{Path(__file__).resolve()}:space",
            dataset="digits",
            epochs=options.epochs,
            storage=options.storage,
            workers=options.workers,
        )
        studies[f"across-{target}"] = networks
    comparison = compare_targets(studies)
    write_comparison(comparison, options.output)
    print("\n".join(comparison_sentences(comparison)))
    print(options.output)


if __name__ == "__main__":
    main()
