"""What stopping trainings early saves, and what it costs the front: replays of training curves that were recorded once.

    python benchmarks/budget.py replay
    python benchmarks/budget.py record      # trains 60 networks to the end for each of three seeds; goes on

A replay asks the rule of `bench sample --budget` after each rung who goes on, and compares the front, and the families'
ranks by share of it, with those of the full run. Costs are MACs.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blockfront.analysis import front_mask, hypervolume
from blockfront.analysis.pareto import front_masks
from blockfront.analysis.statistics import present
from blockfront.console.tables import print_table
from blockfront.design_space import DesignSpace, Stage, choice, integer
from blockfront.files import write_atomically
from blockfront.results import interval95
from blockfront.results.intervals import Z95
from blockfront.sweep.forecasting import Contender, choose_pilots, foresee, going_on, rungs
from blockfront.training import choose_recipe, get_dataset, seeded, train

space = DesignSpace(
    "ten",
    resolution=16,
    num_classes=10,
    stem=8,
    stem_stride=1,
    family=choice("ds", "ir", "ir_se", "er", "uir", "ghost", "shufflenet_v1", "shufflenet_v2", "mixconv", "convnext"),
    stages=[
        Stage(integer(1, 2), integer(8, 24, step=8), stride=2, kernel=choice(3, 5), expansion=choice(2, 4)),
        Stage(integer(1, 3), integer(16, 64, step=16), stride=2, kernel=choice(3, 5), expansion=choice(2, 4)),
    ],
    multiplier=choice(0.5, 1, 2),
)
Run = list[dict[str, Any]]


def record(arguments: argparse.Namespace) -> None:
    """Train all networks to the end, once each seed, and write their curves; what the file has is not trained again."""
    dataset = get_dataset(arguments.dataset)
    recipe = choose_recipe("quick", dataset.ref, [*(arguments.set or ()), f"epochs={arguments.epochs}"])
    runs = json.loads(arguments.file.read_text()) if arguments.file.is_file() else {}
    for seed in range(arguments.seeds):
        run = runs.setdefault(str(seed), [])
        for index in range(len(run), arguments.n):
            network = space.sample(seed, index)
            with seeded(seed, 1):
                found = train(network.build(), dataset, recipe, resolution=network.resolution, seed=seed)
            top1 = found.scores["top1"]
            assert top1.low is not None
            assert top1.high is not None
            run.append(
                {
                    "family": network.family,
                    "macs": network.cost.macs,
                    "curve": [round(value, 4) for value in found.curve],
                    "top1": top1.value,
                    "standard_error": round((top1.high - top1.low) / 2 / Z95, 5),
                }
            )
            write_atomically(arguments.file, json.dumps(runs, separators=(",", ":")))


def replay(run: Run, budget: int | None = None) -> tuple[NDArray[np.bool_], int]:
    """Which networks are trained to the end, and how many epochs that takes in all."""
    epochs = len(run[0]["curve"])
    full = [Contender(number, one["macs"], tuple(one["curve"]), one["top1"]) for number, one in enumerate(run)]
    pilots = choose_pilots(full)
    done = {number: epochs if number in pilots else 0 for number in range(len(run))}
    racing = set(done) - pilots
    for rung in rungs(epochs):
        done |= dict.fromkeys(racing, rung)
        there = [
            one if one.number in pilots else Contender(one.number, one.cost, one.curve[: done[one.number]])
            for one in full
        ]
        error = float(np.mean([run[number]["standard_error"] for number in pilots]))
        outlooks = [one for one in foresee(there, rung, error) if one.number in racing]
        racing = going_on(outlooks, rung, epochs, None if budget is None else budget - sum(done.values()))
    done |= dict.fromkeys(racing, epochs)
    return np.array([done[number] == epochs for number in range(len(run))]), sum(done.values())


def _ranks(family: NDArray[np.str_], names: list[str], fronts: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Each family's rank by its networks on each front, (fronts, families); equal ones share the mean rank."""
    counts = np.stack([(fronts & (family == name)).sum(axis=1) for name in names], axis=1)
    return pd.DataFrame(-counts).rank(axis=1).to_numpy()


def judged(run: Run, budget: int | None) -> tuple[float, float, int, int, int]:
    """Epochs and hypervolume as shares of the full run's, families whose rank is within its interval, families, and
    networks of the full front that were stopped."""
    cost, value = (np.array([one[key] for one in run], dtype=np.float64) for key in ("macs", "top1"))
    family = np.array([one["family"] for one in run])
    kept, spent = replay(run, budget)
    corner = (cost.max(), value.min())
    points = np.column_stack([cost, value])
    volume = hypervolume(points[kept], corner) / hypervolume(points, corner)
    names = sorted(set(family))
    drawn = _ranks(family, names, front_masks(cost, value, present(len(run), 1000, 0)))
    stopped = _ranks(family, names, front_masks(cost, value, kept[None]))[0]
    within = sum(low <= rank <= high for rank, (low, high) in zip(stopped, map(interval95, drawn.T), strict=True))
    lost = int((front_mask(cost, value) & ~kept).sum())
    return spent / (len(run) * len(run[0]["curve"])), volume, within, len(names), lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("record", "replay"))
    parser.add_argument("--file", type=Path, default=Path(__file__).with_name("curves.json"))
    parser.add_argument("--n", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--dataset", default="fashion_mnist")
    parser.add_argument("--set", action="append", metavar="FIELD=VALUE", help="change a field of the recipe")
    arguments = parser.parse_args()
    if arguments.action == "record":
        record(arguments)
        return
    rows = []
    for seed, run in json.loads(arguments.file.read_text()).items():
        whole = len(run) * len(run[0]["curve"])
        for name, budget in (("front", None), ("35 %", int(0.35 * whole)), ("25 %", int(0.25 * whole))):
            epochs, volume, within, families, lost = judged(run, budget)
            ranks = f"{within} of {families}"
            rows.append((seed, name, f"{epochs:.0%}", f"{volume:.1%}", ranks, lost))
    columns = ["seed", "budget", "epochs", "hypervolume", "ranks within their interval", "of the front stopped"]
    print_table(columns, rows)


if __name__ == "__main__":
    main()
