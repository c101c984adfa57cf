"""Accuracy that token reduction costs at equal MACs, on transformers trained here from scratch.

    python benchmarks/token_learning.py --seeds 5 --targets 0.75 0.6

Digits at 28 pixels, 49 patches, four blocks. For every seed a network is trained plain; LTMP learns its thresholds in
one pass and is calibrated; ToMe, EViT and random pruning get the target nearest to the MACs of its counts from above,
and no training of their own, as LTMP's weights have none (Cropr, whose scores are trained with the network, is not in
it). Random pruning is the mean of 8 sets of positions. Intervals are Student's over the seeds, 95 %.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from typing import Any

from intervals import mean_change

NETWORK = "vit_28_n10/p4_d4_w48_h3_m2"
EPOCHS = 13
RANDOM_SETS = 8
FINEST = 0.005


def run(seed: int, targets: Sequence[float]) -> list[dict[str, Any]]:
    """A row a target and method: share of the blocks' MACs, and top-1 less the plain network's."""
    from blockfront.blocks.tokens import calibrate, learn_thresholds, make_static, reduce_tokens, score_transformers
    from blockfront.design_space import Network
    from blockfront.sweep.learning import batch_of
    from blockfront.training import Recipe, fed, get_dataset, seeded, train

    digits = get_dataset("digits")
    with seeded(seed, 1):
        backbone: Any = Network.parse(NETWORK).build()
        train(backbone, digits, Recipe(epochs=EPOCHS), resolution=28, seed=seed)
    rows = []
    for target in targets:
        model = reduce_tokens(backbone, "ltmp", target=target)
        with fed(model, digits, resolution=28, seed=seed) as feed:
            learn_thresholds(model, feed.training(batch_of(digits.train_images)))
            plan = calibrate(model, (images for images, _ in feed.training()))
            share = model.macs.share_of(plan.macs)
            others = {method: _nearest(backbone, method, share) for method in ("tome", "evit")}
            pruned = {f"random {n}": _nearest(backbone, "random", share, seed=n) for n in range(RANDOM_SETS)}
            models = {"plain": backbone, "ltmp dynamic": model, "ltmp": make_static(model, plan), **others, **pruned}
            scores = score_transformers(models, feed.test())
        found = {name: (score.top1, model.macs.share_of(score.macs)) for name, score in scores.items()}
        drawn = [found.pop(name) for name in pruned]
        found["random"] = (statistics.mean(top1 for top1, _ in drawn), drawn[0][1])
        plain = found["plain"][0]
        rows += [
            {"seed": seed, "target": target, "method": name, "share": its, "top1": top1, "change": top1 - plain}
            for name, (top1, its) in found.items()
        ]
    return rows


def _nearest(backbone: Any, method: str, share: float, **options: Any) -> Any:
    """The method with the fewest MACs that are no fewer than `share` of the blocks'."""
    from blockfront.blocks.tokens import count_macs, reduce_tokens

    for step in range(int((1 - share) / FINEST) + 1):
        model = reduce_tokens(backbone, method, target=share + step * FINEST, **options)
        if model.macs.share_of(count_macs(model).item()) >= share:
            return model
    return reduce_tokens(backbone, method, target=1.0, **options)


def table(rows: Sequence[dict[str, Any]]) -> str:
    lines = ["| target | method | share of MACs | top-1 % | change, points |", "|---|---|---|---|---|"]
    for target, method in dict.fromkeys((row["target"], row["method"]) for row in rows):
        found = [row for row in rows if (row["target"], row["method"]) == (target, method)]
        top1 = 100 * statistics.mean(row["top1"] for row in found)
        share = statistics.mean(row["share"] for row in found)
        changes = [100 * row["change"] for row in found]
        lines.append(f"| {target} | {method} | {share:.3f} | {top1:.1f} | {mean_change(changes)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--targets", type=float, nargs="+", default=[0.75, 0.6])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = [row for seed in range(arguments.seeds) for row in run(seed, arguments.targets)]
    print(json.dumps(rows) if arguments.json else table(rows))


if __name__ == "__main__":
    main()
