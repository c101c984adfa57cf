"""The same networks on processors and accelerators: what is the choice of block worth on each, at equal accuracy?

    python examples/blocks_across_targets.py --minutes 90

Draws skeletons with each family's block in them (`bench sample --pair`), trains every network on Fashion-MNIST, gets
its latency on each target, and writes the comparison. A target is a name, with `:int8` for networks that are quantised
before they are compiled. Networks come in rounds. A round is on all targets before the next one is begun, and all have
one training before any has two, so what there is can be compared whenever the run is stopped, and the same command goes
on. Nothing is trained twice. It needs no board, but ZigZag and vela: `pip install '.[accelerators,ethos]'`.
docs/claim.md says what is known.
"""

from __future__ import annotations

import argparse
import math
import time

import pandas as pd

import blockfront
from blockfront.analysis import compare_targets, comparison_sentences, write_comparison

TARGETS = (
    *("rk3399", "rk3399:int8", "rpi5", "rpi5:int8"),
    *("ethos_u55_128", "ethos_u85_512", "edge_tpu_like"),
)


def study_of(target: str, n: int, seeds: int, options: argparse.Namespace) -> pd.DataFrame:
    """The study of one target as a table, once it has `n` networks with so many trainings each."""
    hardware, _, precision = target.partition(":")
    return blockfront.sample(
        n,
        hardware,
        precision=precision or None,
        space=options.space,
        dataset=options.dataset,
        epochs=options.epochs,
        train_seeds=seeds,
        pair=True,
        # What is trained in float32 is not trained again for int8.
        keep="all",
        storage=options.storage,
        study=f"{target.replace(':', '-')}-{seeds}",
        workers=options.workers,
    )


def main() -> None:
    """Sample in rounds, compare, and say what the comparison says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", nargs="+", default=TARGETS, help="where to run them (default: %(default)s)")
    parser.add_argument("--n", type=int, default=120, help="networks in all; families take turns (default: 120)")
    parser.add_argument("--round", type=int, default=24, help="networks that a round adds (default: 24)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each network (default: 3)")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no round after so long")
    parser.add_argument("--space", default="mobile", help="design space (default: mobile)")
    parser.add_argument("--dataset", default=None, help="data to train on (default: Fashion-MNIST)")
    parser.add_argument("--epochs", type=int, default=None, help="passes over the images (default: the recipe's)")
    parser.add_argument("--storage", default="across.db", help="SQLite file that keeps the studies")
    parser.add_argument("--output", default="across.html", help="the page to write")
    parser.add_argument("--workers", type=int, default=None, help="worker processes (default: one a core)")
    options = parser.parse_args()
    end, studies = time.monotonic() + 60 * options.minutes, {}
    for seeds in range(1, options.seeds + 1):
        for n in [*range(options.round, options.n, options.round), options.n]:
            if not studies or time.monotonic() < end:
                studies = {target: study_of(target, n, seeds, options) for target in options.targets}
    comparison = compare_targets(studies)
    write_comparison(comparison, options.output)
    print("\n".join(comparison_sentences(comparison)))
    print(options.output)


if __name__ == "__main__":
    main()
