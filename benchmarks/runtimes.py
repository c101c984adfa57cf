"""Does the choice of block depend on the runtime? The same sampled networks, measured here through several toolchains.

    python benchmarks/runtimes.py --n 200 --resolution 64 --threads 1 --storage runtimes.db

Nothing is trained. The same command again goes on where it was stopped. Of each family: the geometric mean, over its
networks, of latency over what the runtime's own line through all networks (log latency by log MACs) gives for their
MACs; 0.8 is a fifth less time than the runtime takes for as many MACs. Of each pair of runtimes: how alike they rank
networks and families.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from blockfront import sample
from blockfront.analysis import spearman, spearman_interval, usable

TOOLCHAINS = ("tvm", "onnxruntime", "openvino", "ncnn")


def shared(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The networks that every runtime has a latency of, in one order."""
    tables = {name: usable(frame, "latency_ms").set_index("network_id") for name, frame in frames.items()}
    common = sorted(set.intersection(*(set(table.index) for table in tables.values())))
    return {name: table.loc[common] for name, table in tables.items()}


def at_equal_macs(table: pd.DataFrame) -> pd.Series:
    """Family to the geometric mean of latency over the line through all networks."""
    macs, latency = np.log(table["macs"]), np.log(table["latency_ms"])
    slope, offset = np.polyfit(macs, latency, 1)
    return np.exp((latency - slope * macs - offset).groupby(table["family"]).mean())


def family_table(tables: Mapping[str, pd.DataFrame]) -> str:
    """Markdown: a row a family, a column a runtime, each runtime's best in bold."""
    columns = {name: at_equal_macs(table) for name, table in tables.items()}
    counts = next(iter(tables.values()))["family"].value_counts()
    rows = [["family", "networks", *columns], ["---", *["---:"] * (1 + len(columns))]]
    first = next(iter(columns.values()))
    for family in first.sort_values().index:
        cells = [
            f"**{own[family]:.2f}**" if own[family] == own.min() else f"{own[family]:.2f}" for own in columns.values()
        ]
        rows.append([family, str(counts[family]), *cells])
    return _markdown(rows)


def pair_table(tables: Mapping[str, pd.DataFrame]) -> str:
    """Markdown: a row a pair of runtimes, how alike they rank networks and families, and their times' ratio."""
    rows = [["runtimes", "Spearman of networks", "of families at equal MACs", "time, second over first"], ["---"] * 4]
    for (a, first), (b, second) in combinations(tables.items(), 2):
        x, y = first["latency_ms"], second["latency_ms"]
        low, high = spearman_interval(x, y)
        families = spearman(at_equal_macs(first), at_equal_macs(second))
        ratio = float(np.exp(np.log(y / x).mean()))
        rows.append([f"{a}, {b}", f"{spearman(x, y):.3f} ({low:.3f} to {high:.3f})", f"{families:.2f}", f"{ratio:.2f}"])
    return _markdown(rows)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--space", default="mobile")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--toolchains", nargs="+", default=TOOLCHAINS)
    parser.add_argument("--storage", default="runtimes.db")
    given = parser.parse_args()
    options = {"space": given.space, "resolution": given.resolution, "threads": given.threads, "train": False}
    frames = {}
    for toolchain in given.toolchains:
        study = f"{given.space}-{given.resolution}-{toolchain}"
        frames[toolchain] = sample(given.n, study=study, toolchain=toolchain, storage=given.storage, **options)
        failed = frames[toolchain][frames[toolchain]["state"] == "failed"]
        for row in failed.itertuples():
            print(f"{toolchain} failed {row.network_id} ({row.family}): {row.error}")
    tables = shared(frames)
    print(f"\n{len(next(iter(tables.values())))} networks that all runtimes take, {given.threads} threads\n")
    print(family_table(tables), pair_table(tables), sep="\n\n")


if __name__ == "__main__":
    main()
