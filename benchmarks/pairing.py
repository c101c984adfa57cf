"""By how much drawing families in pairs narrows the intervals of their comparison, at equal cost.

    python benchmarks/pairing.py --skeletons 12 --seeds 1

Draws as many networks one by one and in pairs, trains them all, and compares the widths of the intervals that a report
states. Costs are MACs. Trainings are kept in --file, and the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from blockfront.analysis import Objectives, default_budgets, family_table, lead, speedups, swaps
from blockfront.analysis.statistics import resamples
from blockfront.console.tables import print_table
from blockfront.design_space import DesignSpace, Stage, choice, integer
from blockfront.files import write_atomically
from blockfront.results import interval95
from blockfront.training import choose_recipe, get_dataset, seeded, train

FAMILIES = ("ds", "ir", "ghost", "er", "shufflenet_v2")
space = DesignSpace(
    "five",
    resolution=16,
    num_classes=10,
    stem=8,
    stem_stride=1,
    family=choice(*FAMILIES),
    stages=[
        Stage(integer(1, 2), integer(8, 24, step=8), stride=2, kernel=choice(3, 5), expansion=choice(2, 4)),
        Stage(integer(1, 3), integer(16, 48, step=8), stride=2, kernel=choice(3, 5), expansion=choice(2, 4)),
        Stage(integer(1, 3), integer(32, 96, step=16), stride=2, kernel=choice(3, 5), expansion=choice(2, 4)),
    ],
)
DRAWS = 4000
Widths = Iterator[tuple[str, float]]


def widths(frame: pd.DataFrame, objectives: Objectives) -> Widths:
    """What is compared, and how wide its 95 % interval is; ratios as logarithms."""
    for row in family_table(frame, objectives, draws=DRAWS).to_dict("records"):
        yield "share of the front", row["share_high"] - row["share_low"]
    for budget in default_budgets(frame, objectives):
        if found := lead(frame, budget, objectives, draws=DRAWS):
            yield "lead within a budget", found.margin_high - found.margin_low
    for row in speedups(frame, objectives, draws=DRAWS).to_dict("records"):
        yield "cost at equal accuracy", math.log(row["speedup_high"] / row["speedup_low"])
    for family in FAMILIES[1:]:
        yield from _means(frame, family, objectives)


def _means(frame: pd.DataFrame, family: str, objectives: Objectives) -> Widths:
    """Mean differences between a family and the first one: in the same skeletons, or of two samples."""
    found = swaps(frame, FAMILIES[0], objectives, draws=DRAWS).set_index("family")
    if len(found):
        row = found.loc[family]
        yield "mean ratio of costs", math.log(row["cost_ratio_high"] / row["cost_ratio_low"])
        yield "mean difference of accuracy", row["difference_high"] - row["difference_low"]
        return
    own, first = (frame[frame["family"] == name] for name in (family, FAMILIES[0]))
    for name, values in (
        ("mean ratio of costs", [np.log(rows[objectives.cost].to_numpy(float)) for rows in (own, first)]),
        ("mean difference of accuracy", [rows[objectives.value].to_numpy(float) for rows in (own, first)]),
    ):
        drawn = [one[resamples(len(one), DRAWS, seed)].mean(axis=1) for seed, one in enumerate(values)]
        low, high = interval95(drawn[0] - drawn[1])
        yield name, high - low


def _networks(seed: int, n: int, pair: bool, known: dict[str, float], arguments: argparse.Namespace) -> pd.DataFrame:
    """A study of `n` networks as a table, all trained."""
    dataset = get_dataset(arguments.dataset)
    recipe = choose_recipe("quick", dataset.ref, [f"epochs={arguments.epochs}"])
    rows = []
    for index in range(n):
        network = space.sample(seed, index, paired=pair)
        if network.id not in known and not arguments.no_train:
            with seeded(seed, 1):
                known[network.id] = (
                    train(network.build(), dataset, recipe, resolution=network.resolution, seed=seed)
                    .scores["top1"]
                    .value
                )
            write_atomically(arguments.file, json.dumps(known))
        row = {"state": "complete", "network_id": network.id, "family": network.family, "study": f"{seed}"}
        skeleton = index // len(FAMILIES) if pair else None
        rows.append(row | {"skeleton": skeleton, "macs": network.cost.macs, "top1": known.get(network.id, math.nan)})
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skeletons", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--no-train", action="store_true", help="compare costs alone, but for networks trained before")
    parser.add_argument("--file", type=Path, default=Path("pairing.json"))
    arguments = parser.parse_args()
    known: dict[str, float] = json.loads(arguments.file.read_text()) if arguments.file.is_file() else {}
    found: dict[str, dict[bool, list[float]]] = {}
    for seed in range(arguments.seeds):
        for pair in (False, True):
            frame = _networks(seed, arguments.skeletons * len(FAMILIES), pair, known, arguments)
            for name, width in widths(frame, Objectives("macs", "top1")):
                if math.isfinite(width):
                    found.setdefault(name, {False: [], True: []})[pair].append(width)
    rows = []
    for name, both in found.items():
        alone, pairs = (float(np.mean(both[pair])) for pair in (False, True))
        rows.append((name, f"{alone:.3g}", f"{pairs:.3g}", f"{pairs / alone:.2f}"))
    print_table(["mean width of the interval of", "one by one", "in pairs", "ratio"], rows)


if __name__ == "__main__":
    main()
