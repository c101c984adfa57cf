"""The same networks on processors and accelerators: what is the choice of block worth on each, at equal accuracy?

    python examples/blocks_across_targets.py --minutes 90

Draws skeletons with each family's block in them (`bench sample --pair`), trains every network on Fashion-MNIST, gets
its latency on each target, and writes the comparison. A target is a name, with `:int8` for networks that are quantised
before they are compiled. Networks come in rounds, each of a seed of its own, and a round is on all targets before the
next one is begun: what there is can be compared whenever the run is stopped. Rows of whole rounds are kept in a Parquet
file, and the same command, also with that file elsewhere, adds the rounds that it lacks; within a round nothing is
trained or compiled twice. It needs no board, but vela: `pip install '.[ethos]'`. docs/claim.md says what is known.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import pandas as pd

import blockfront
from blockfront.analysis import compare_targets, comparison_sentences, write_comparison

TARGETS = (
    *("rk3399", "rk3399:int8", "rpi5", "rpi5:int8"),
    *("ethos_u55_128", "ethos_u85_512", "stm32n6_like"),
)


def study_of(target: str, number: int, options: argparse.Namespace) -> pd.DataFrame:
    """The networks of a round on one target, with numbers of skeletons that no other round has."""
    hardware, _, precision = target.partition(":")
    rows = blockfront.sample(
        options.round,
        hardware,
        precision=precision or None,
        space=options.space,
        dataset=options.dataset,
        epochs=options.epochs,
        train_seeds=options.seeds,
        seed=number,
        pair=True,
        # What is trained in float32 is not trained again for int8.
        keep="all",
        storage=options.storage,
        study=f"{target.replace(':', '-')}-{number}",
        workers=options.workers,
    )
    return rows.assign(on=target, round=number, skeleton=rows["skeleton"] + number * options.round)


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
    parser.add_argument("--rows", type=Path, default=Path("across.parquet"), help="file that keeps the rounds' rows")
    parser.add_argument("--output", default="across.html", help="the page to write")
    parser.add_argument("--workers", type=int, default=None, help="worker processes (default: one a core)")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    rows = pd.read_parquet(options.rows) if options.rows.exists() else pd.DataFrame({"on": [], "round": []})
    for number in range(math.ceil(options.n / options.round)):
        if number in set(rows["round"]) or (len(rows) and time.monotonic() >= end):
            continue
        made = [study_of(target, number, options) for target in options.targets]
        rows = pd.concat([rows, *made], ignore_index=True) if len(rows) else pd.concat(made, ignore_index=True)
        rows.dropna(axis="columns", how="all").to_parquet(options.rows, compression="zstd")
    comparison = compare_targets({str(target): own for target, own in rows.groupby("on", sort=False)})
    write_comparison(comparison, options.output)
    print("\n".join(comparison_sentences(comparison)))
    print(options.output)


if __name__ == "__main__":
    main()
