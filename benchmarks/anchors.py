"""What anchor pruning saves of detectors trained on generated scenes, and what training them anew gives.

    python benchmarks/anchors.py --seeds 3

For every backbone, head and seed a detector is trained, searched on one half of the test images, and the cheapest
configuration of the front that lost nothing there is taken: stated on the other half are the APs of the whole detector,
of what the search left of it, and of the same network trained anew from scratch by the same recipe and seed. `ssdlite`
has the six slots of SSD300's larger levels and is searched all at once; `over` has all fifteen a level, and each level
is brought down to four. Intervals are Student's over the detectors, 95 %. `--save`, by default `anchors.json` beside
this file, keeps each that is done, and trainings are kept after every epoch in the cache folder: the same command goes
on with both. `--figure FILE.html` draws which slots' boxes others cover.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from intervals import mean_change

BACKBONES = {
    "ir": "ir_r1_k3_s2_e3_c16/ir_r1_k3_s2_e3_c24/ir_r2_k3_s2_e3_c48/ir_r1_k3_s2_e3_c96",
    "ghost": "ghost_r1_k3_s2_e3_c16/ghost_r1_k3_s2_e3_c24/ghost_r2_k3_s2_e3_c48/ghost_r1_k3_s2_e3_c96",
    "ds": "ds_r1_k3_s2_c32/ds_r2_k3_s2_c48/ds_r2_k3_s2_c96/ds_r2_k3_s2_c192",
}
SLOTS = {"ssdlite": "abcdef", "over": "abcdefghijklmno"}
MOST = {"ssdlite": None, "over": 4}
DROP = 0.02


def network_text(backbone: str, head: str) -> str:
    levels = ".".join([SLOTS[head]] * 4)
    return f"det_96_d6/stem_k3_s2_c16_nrelu/{BACKBONES[backbone]}/ssdlite_l3_f48_x64_s{levels}"


def run(backbone: str, head: str, seed: int, images: int | None, epochs: int, target: str) -> dict[str, Any]:
    """One detector: whole, pruned, and the pruned one trained anew."""
    from blockfront.anchors import (
        Rules,
        SlotScores,
        covered_shares,
        pruned_network,
        record_boxes,
        search_anchors,
        slot_of_rows,
        slots_of,
    )
    from blockfront.design_space import DetectionNetwork, Network
    from blockfront.services.anchor_costs import HeadLatency, counted_price
    from blockfront.targets import Asked, choose, find_hardware
    from blockfront.training import choose_recipe, fed, get_dataset, seeded, train
    from blockfront.training.checkpoint import checkpoint_path

    scenes = get_dataset("scenes")
    recipe = replace(choose_recipe("quick", "scenes"), images=images, epochs=epochs)
    whole = Network.parse(network_text(backbone, head))
    assert isinstance(whole, DetectionNetwork)

    checkpoints: list[Path] = []

    def halves(network: DetectionNetwork) -> Any:
        kept = checkpoint_path(network.id, recipe.hash, scenes.ref, scenes.fingerprint, seed)
        checkpoints.append(kept)
        with seeded(seed, 1):
            module = network.build()
            train(module, scenes, recipe, resolution=network.resolution, seed=seed, device="cpu", checkpoint=kept)
        with fed(module, scenes, resolution=network.resolution, device="cpu") as feed:
            return record_boxes(module, feed.test(), slot_of_rows(network), slots_of(network)).halves()

    ours, others = halves(whole)
    scores = SlotScores(ours)
    first = scores(frozenset())
    rules = Rules(least=first[0] - DROP, most=MOST[head], strict=True)
    found = search_anchors(slots_of(whole), scores, counted_price(whole, "head_macs"), rules)
    free = [node for node in found.front if node.value >= round(first[0], 3)]
    row: dict[str, Any] = {"backbone": backbone, "head": head, "seed": seed, "evaluated": len(found.evaluated)}
    stated, latency = SlotScores(others), HeadLatency(whole, choose(Asked(find_hardware(target), 1)))
    shares, counts = covered_shares(ours)
    row |= {"covered": shares.round(3).tolist(), "given": counts.tolist(), "target": target}
    row["whole"] = _facts(whole, stated(frozenset()), latency(frozenset()))
    if free:
        removed = free[-1].removed
        smaller = pruned_network(whole, removed)
        row["removed"] = sorted(removed)
        row["pruned"] = _facts(smaller, stated(removed), latency(removed))
        row["anew"] = _facts(smaller, SlotScores(halves(smaller)[1])(frozenset()), latency(removed))
    for kept in checkpoints:
        kept.unlink(missing_ok=True)
    return row


def _facts(network: Any, metrics: Sequence[float], milliseconds: float) -> dict[str, Any]:
    return {
        "head_macs": network.cost.head_macs,
        "boxes": network.boxes,
        "slots": ".".join(level or "0" for level in network.head.slots),
        "ap": metrics[0],
        "head_ms": milliseconds,
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """A row a backbone and head, means over seeds; and all of a head together with intervals."""
    lines = [
        "| head | backbone | n | AP %, whole | pruned, points | anew, points | head MACs left | boxes left | ms left |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for head in SLOTS:
        own = [row for row in rows if row["head"] == head and "pruned" in row]
        for backbone in [*dict.fromkeys(row["backbone"] for row in own), None]:
            cells = [row for row in own if backbone in (None, row["backbone"])]
            if cells:
                lines.append(_line(head, backbone or "all", cells))
        lacking = sum(row["head"] == head and "pruned" not in row for row in rows)
        if lacking:
            lines.append(f"| {head} | | {lacking} | no configuration lost nothing | | | | | |")
    return "\n".join(lines)


def _line(head: str, backbone: str, cells: Sequence[dict[str, Any]]) -> str:
    changes = [
        mean_change([100 * (row[kind]["ap"] - row["whole"]["ap"]) for row in cells]) for kind in ("pruned", "anew")
    ]
    left = [
        f"{statistics.mean(row['pruned'][name] / row['whole'][name] for row in cells):.0%}"
        for name in ("head_macs", "boxes", "head_ms")
    ]
    ap = 100 * statistics.mean(row["whole"]["ap"] for row in cells)
    return f"| {head} | {backbone} | {len(cells)} | {ap:.1f} | {' | '.join([*changes, *left])} |"


def draw(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """A page that shows which slots' boxes others cover, the mean over the detectors with the usual slots."""
    import plotly.graph_objects as go

    own = [row for row in rows if row["head"] == "ssdlite"]
    names = [f"level {level} {slot}" for level in range(4) for slot in SLOTS["ssdlite"]]
    mean = 100 * np.mean([row["covered"] for row in own], axis=0)
    figure = go.Figure(go.Heatmap(z=mean, x=names, y=names, zmin=0, zmax=100, colorbar={"title": "%"}))
    figure.update_yaxes(autorange="reversed", title="boxes that this slot gives")
    figure.update_xaxes(title="covered by a candidate of this slot")
    figure.update_layout(title=f"Boxes that another slot covers by half of their union, {len(own)} detectors")
    figure.write_html(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--backbones", nargs="+", default=list(BACKBONES), choices=list(BACKBONES))
    parser.add_argument("--heads", nargs="+", default=list(SLOTS), choices=list(SLOTS))
    parser.add_argument("--images", type=int, default=None, help="training images (default: all 2,000)")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--target", default="rk3399", help="whose predicted latency of the head is told")
    parser.add_argument("--save", type=Path, default=Path(__file__).with_name("anchors.json"))
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    rows = json.loads(arguments.save.read_text()) if arguments.save.exists() else []
    done = {(row["backbone"], row["head"], row["seed"]) for row in rows}
    for seed in range(arguments.seeds):
        for backbone in arguments.backbones:
            for head in arguments.heads:
                if (backbone, head, seed) not in done:
                    rows.append(run(backbone, head, seed, arguments.images, arguments.epochs, arguments.target))
                    arguments.save.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
    if arguments.figure:
        draw(rows, arguments.figure)
    print(table(rows))


if __name__ == "__main__":
    main()
