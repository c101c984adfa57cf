"""What token reduction costs a network that says where things are, at half of the blocks' MACs.

    python benchmarks/dense_tokens.py --save dense-tokens --seeds 3
    python benchmarks/dense_tokens.py --save dense-boxes --task detection --seeds 3
    python benchmarks/dense_tokens.py --save dense-tokens --devices rk3399 rpi5

Scenes at 96 pixels, 64 patches and a class token, eight blocks; a class for each patch, or a simple feature pyramid and
SSDLite's head on it, whose finest level has two cells for each side of a patch. For every seed a plain network is
trained. Methods are put on it as it is, those that need no training ("off the shelf"), and each is trained on for some
epochs from its weights ("tuned"), as is the plain network itself, for as long. Tokens that merged are un-merged, and
those taken out come back before the last block (`last`), after it (`concat`), or not at all (`none`). Intervals are
Student's over the seeds, 95 %, of the difference from the plain network of the same seed. Latencies are predicted.

Whatever is done is kept in the folder `--save`, and the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from intervals import mean_change


@dataclass(frozen=True)
class Kind:
    """A task's networks: the text before and behind that of the reduction, data, and two metrics with their titles."""

    start: str
    end: str
    dataset: str
    metrics: dict[str, str]
    clip_grad: float | None = None

    def text(self, method: str) -> str:
        return self.start + METHODS[method] + self.end


BODY = "p12_d8_w64_h2_m4"
KINDS = {
    "segmentation": Kind(
        f"vitseg_96_s7/{BODY}", "", "scene_masks", {"miou": "mean IoU %", "pixel_accuracy": "pixel accuracy %"}
    ),
    "detection": Kind(
        f"vitdet_96_d6/{BODY}",
        "/sfp_s6/ssdlite_l3_f48_x64_sabcdef.abcdef.abcdef.abcdef",
        "scenes",
        {"ap": "AP %", "ap50": "AP50 %"},
        clip_grad=10.0,
    ),
}
SHARE = 0.5
METHODS = {
    "plain": "",
    "tome": f"/tome_target{SHARE}",
    "random none": f"/random_target{SHARE}",
    "random last": f"/random_target{SHARE}_fusion=last",
    "cropr none": f"/cropr_target{SHARE}_fusion=none",
    "cropr concat": f"/cropr_target{SHARE}_fusion=concat",
    "cropr last": f"/cropr_target{SHARE}",
}
ORDER = list(METHODS)
OFF_THE_SHELF = ("plain", "tome", "random none", "random last")
TUNED = ("plain", "tome", "random last", "cropr none", "cropr concat", "cropr last")
RESOLUTION = 96
EPOCHS, TUNING = 8, 3

Row = dict[str, Any]


def scores(folder: Path, kind: Kind, seed: int, epochs: int, tuning: int) -> Iterator[Row]:
    """A row a network of this seed: all that its task scores."""
    from blockfront.design_space import Network
    from blockfront.training import Recipe, evaluate, get_dataset, seeded, train

    dataset = get_dataset(kind.dataset)
    learned = Recipe("adamw", lr=2e-3, weight_decay=0.05, epochs=epochs, batch_size=16, label_smoothing=0.0)
    learned = replace(learned, clip_grad=kind.clip_grad)
    weights = folder / f"plain-{seed}-{epochs}.pt"
    done = [{name: row.get(name) for name in ("seed", "epochs", "tuning", "method")} for row in kept(folder)]
    with seeded(seed, 1):
        plain: Any = Network.parse(kind.text("plain")).build()
        if not weights.is_file():
            checkpoint = folder / "training.pt"
            train(plain, dataset, learned, resolution=RESOLUTION, seed=seed, checkpoint=checkpoint)
            torch.save(plain.state_dict(), weights)
            checkpoint.unlink(missing_ok=True)
    state = torch.load(weights, weights_only=True)
    for more, methods in ((0, OFF_THE_SHELF), *([(tuning, TUNED)] if tuning else [])):
        for method in methods:
            row = {"seed": seed, "epochs": epochs, "tuning": more, "method": method}
            if row in done:
                continue
            with seeded(seed, 1):
                module: Any = Network.parse(kind.text(method)).build()
                module.load_state_dict(dict(state), strict=method == "plain")
                if more:
                    recipe = replace(learned, lr=5e-4, epochs=more)
                    found = train(module, dataset, recipe, resolution=RESOLUTION, seed=seed, loss=module.loss)
                else:
                    found = evaluate(module, dataset, resolution=RESOLUTION)
            yield row | {name: score.value for name, score in found.scores.items()}


def latencies(folder: Path, kind: Kind, device: str) -> Iterator[Row]:
    """A row a method: MACs, and its latency on a board as predicted."""
    from blockfront.design_space import Network
    from blockfront.targets import METERS, RunOptions, compile_model, get_target

    target = get_target(device)
    done = {row["method"] for row in kept(folder) if row.get("device") == device}
    for method in METHODS:
        if method not in done:
            network = Network.parse(kind.text(method))
            program = compile_model(network.deployed(), network.signature, target, threads=1)
            latency = METERS["emulated"].latency(program, RunOptions(target=target, threads=1))
            yield {"device": device, "method": method, "macs": network.cost.macs, "ms": latency.median_ms}


def kept(folder: Path) -> list[Row]:
    file = folder / "rows.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def table(rows: list[Row], metrics: dict[str, str]) -> str:
    devices = list(dict.fromkeys(row["device"] for row in rows if "device" in row))
    found = {(row["epochs"], row["tuning"], row["method"], row["seed"]): row for row in rows if "seed" in row}
    times = {(row["device"], row["method"]): row for row in rows if "device" in row}
    (first, title), (second, other) = metrics.items()
    heads = ["epochs", "method", "seeds", title, "change, points", other, "M MACs"]
    heads += [f"{device} ms" for device in devices]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for epochs, tuning, method in sorted({key[:3] for key in found}, key=lambda key: (*key[:2], ORDER.index(key[2]))):
        here = [row for key, row in found.items() if key[:3] == (epochs, tuning, method)]
        changes = [100 * (row[first] - found[epochs, tuning, "plain", row["seed"]][first]) for row in here]
        cells = [
            f"{epochs} + {tuning}",
            method,
            str(len(here)),
            f"{100 * statistics.mean(row[first] for row in here):.1f}",
            mean_change(changes),
        ]
        cells.append(f"{100 * statistics.mean(row[second] for row in here):.1f}")
        of_method = [times.get((device, method)) for device in devices]
        cells.append(next((f"{row['macs'] / 1e6:.1f}" for row in of_method if row), ""))
        cells += [f"{row['ms']:.2f}" if row else "" for row in of_method]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--save", type=Path, required=True, help="folder of what is done")
    parser.add_argument("--task", choices=KINDS, default="segmentation", help="a folder is for one")
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of the plain networks")
    parser.add_argument(
        "--tuning", type=int, default=TUNING, help="epochs of every method, and of the plain network; 0 for none"
    )
    parser.add_argument("--devices", nargs="*", default=[], help="targets to predict latencies for")
    arguments = parser.parse_args()
    arguments.save.mkdir(parents=True, exist_ok=True)
    kind, folder = KINDS[arguments.task], arguments.save
    found = [scores(folder, kind, seed, arguments.epochs, arguments.tuning) for seed in range(arguments.seeds)]
    for rows in [*found, *(latencies(folder, kind, device) for device in arguments.devices)]:
        for row in rows:
            with (folder / "rows.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)
    print(table(kept(folder), kind.metrics))


if __name__ == "__main__":
    main()
