"""What token reduction costs a pretrained transformer in accuracy, and saves in time.

    python benchmarks/pretrained_tokens.py accuracy --save tokens.jsonl
    python benchmarks/pretrained_tokens.py latency --save tokens.jsonl --devices rk3399 rpi5
    python benchmarks/pretrained_tokens.py table --save tokens.jsonl --figure docs/pretrained_tokens.png

DINOv2's ViT-S/14 (`bench pretrained`) on Fashion-MNIST at 112 pixels: 64 patches and a class token. For every seed
other training images; a linear classifier on the plain network's class token, and then every method with all weights as
they are: ToMe, EViT and random pruning take tokens out, LTMP learns its thresholds and Cropr its queries in one pass.
Fine-tuned networks start from those and train all weights for one pass with the tokens taken out. LTMP runs with
calibrated counts, scaled to the target. Lines that are in the file are not computed again. Latencies are predicted, on
one thread. Intervals are Student's over three seeds or more, 95 %, of differences from the plain network on the same
images.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pretrained_tokens_table import FROZEN, Row, Rows, draw, summary, table
from torch import Tensor

NETWORK = "vit_112_n10/p14_d12_w384_h6_m4"
WEIGHTS = "dinov2_small"
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "tome": ("tome", {}),
    "ltmp": ("ltmp", {}),
    "cropr": ("cropr", {"fusion": "none"}),
    "cropr with fusion": ("cropr", {}),
    "evit": ("evit", {}),
    "random": ("random", {}),
}
"""Methods and their options. Cropr brings tokens back before the last block by default, to which they are strangers as
long as it has not learned that."""
SEEDLESS = ("plain", "tome", "evit")
"""What computes the same features for every seed while the transformer's weights are as they are."""
TUNED = "fine-tuned"
BATCH = 32


class Study:
    """A pretrained transformer with a linear classifier learned on `train` images, and `test` images.

    The classifier is read from the file `kept`, or written to it.
    """

    def __init__(self, seed: int, train: int, test: int, kept: Path) -> None:
        from blockfront.design_space import Network
        from blockfront.training import fed, get_dataset, give_weights, seeded

        self.seed = seed
        with seeded(seed, 1):
            self.plain: Any = Network.parse(NETWORK).build().eval()
        give_weights(self.plain, WEIGHTS)
        with fed(self.plain, get_dataset("fashion_mnist"), resolution=112, seed=seed) as feed:
            self.images, self.labels = next(feed.training(train, train))
            self.test_images, self.test_labels = next(feed.test(test))
        if kept.exists():
            self.plain.head.load_state_dict(torch.load(kept, weights_only=True))
        else:
            classify(self.plain, self.images, self.labels)
            torch.save(self.plain.head.state_dict(), kept)

    def batches(self, size: int, images: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        return zip(self.images[:images].split(size), self.labels[:images].split(size), strict=True)

    def top1(self, model: Any, kept: Path | None = None) -> float:
        """On the test images; what the classifier gets is read from the file `kept`, or written to it."""
        backbone = getattr(model, "backbone", model)
        if kept is not None and kept.exists():
            features = torch.load(kept, weights_only=True)
        else:
            head, backbone.head = backbone.head, torch.nn.Identity()
            with torch.no_grad():
                features = torch.cat([model.eval()(images) for images in self.test_images.split(BATCH)])
            backbone.head = head
            if kept is not None:
                torch.save(features, kept)
        found = backbone.head(features).argmax(1)
        return float((found == self.test_labels).double().mean())

    def reduced(self, label: str, target: float) -> Any:
        """The method with what it learns in one pass, the transformer's weights as they are."""
        from blockfront.blocks.tokens import calibrate, learn_thresholds, make_static, reduce_tokens

        method, options = METHODS[label]
        options = options | ({"seed": self.seed} if method == "random" else {})
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            model = reduce_tokens(deepcopy(self.plain), method, target=target, **options)
        if method == "cropr":
            self.train(model, model.reducer.parameters(), 1e-3)
        if method != "ltmp":
            return model.eval()
        learn_thresholds(model, self.batches(4))
        plan = calibrate(model, (images for images, _ in self.batches(BATCH, 128)))
        return make_static(model, scaled(model, plan, target)).eval()

    def train(self, model: Any, parameters: Any, rate: float) -> None:
        """One pass over the training images in batches of 8, AdamW with a rate that falls to nothing."""
        chosen = [one for one in parameters if one.numel()]
        for one in model.parameters():
            one.requires_grad_(False)
        for one in chosen:
            one.requires_grad_(True)
        optimizer = torch.optim.AdamW(chosen, lr=rate)
        batches = list(self.batches(8))
        criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
        model.train()
        for step, (images, labels) in enumerate(batches):
            optimizer.param_groups[0]["lr"] = rate * min(1, (step + 1) / 8) * (1 - step / len(batches))
            loss = model.loss(images, labels, criterion) if hasattr(model, "loss") else criterion(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def classify(model: Any, images: Tensor, labels: Tensor) -> None:
    """Give the model's head the coefficients of a logistic regression on what it pools."""
    from sklearn.linear_model import LogisticRegression

    with torch.no_grad():
        features = torch.cat(
            [model.forward_head(model.forward_features(x), pre_logits=True) for x in images.split(BATCH)]
        )
    found = LogisticRegression(C=0.1, max_iter=2000).fit(features.numpy(), labels.numpy())
    with torch.no_grad():
        model.head.weight.copy_(torch.from_numpy(found.coef_))
        model.head.bias.copy_(torch.from_numpy(found.intercept_))


def scaled(model: Any, plan: Any, target: float) -> Any:
    """The plan with as many tokens taken out, in the same proportions, as the target wants."""
    from blockfront.blocks.tokens import make_static

    macs, tokens = model.macs, model.macs.tokens

    def at(factor: float) -> Any:
        lengths = [max(round(tokens - factor * (tokens - length)), 2) for length in plan.lengths]
        before = [tokens, *lengths[:-1]]
        old = [tokens, *plan.lengths[:-1]]
        merges = [
            round((b - n) * (m / (o - k) if o > k else 0.0))
            for b, n, o, k, m in zip(before, lengths, old, plan.lengths, plan.merges, strict=True)
        ]
        return replace(plan, lengths=tuple(lengths), merges=tuple(merges))

    def off(candidate: Any) -> float:
        return abs(macs.share(*make_static(model, candidate).reducer.counts(tokens)) - target)

    return min((at(step / 200) for step in range(40, 400)), key=off)


def accuracy(
    rows: Rows, seeds: int, targets: list[float], methods: list[str], train: int, test: int, phases: list[str]
) -> None:
    torch.set_num_threads(1)
    for seed in range(seeds):
        study: Study | None = None
        for phase in phases:
            for target in targets:
                for method in ("plain", *methods):
                    key = {
                        "phase": phase,
                        "method": method,
                        "target": 1.0 if method == "plain" else target,
                        "seed": seed,
                    }
                    if rows.find(**key) is not None:
                        continue
                    study = study or Study(seed, train, test, rows.beside(f"classifier-{seed}-{train}"))
                    model = study.plain if method == "plain" else study.reduced(method, target)
                    if phase == TUNED:
                        model = deepcopy(model)
                        study.train(model, model.parameters(), 2e-5)
                    kept = None
                    if phase == FROZEN and method in SEEDLESS:
                        kept = rows.beside(f"{method}-{key['target']}-{test}")
                    rows.add(key | described(model) | {"top1": study.top1(model, kept), "train": train, "test": test})


def described(model: Any) -> Row:
    """The share of the blocks' MACs that it has, and LTMP's counts."""
    from blockfront.blocks.tokens import count_macs

    if not hasattr(model, "reducer"):
        return {"share": 1.0}
    plan = model.plan
    counts = {} if plan is None else {"lengths": plan.lengths, "merges": plan.merges}
    return {"share": model.macs.share_of(count_macs(model).item())} | counts


def latency(rows: Rows, targets: list[float], methods: list[str], devices: list[str]) -> None:
    from blockfront.design_space import Network
    from blockfront.targets import Asked, choose, find_hardware

    signature = Network.parse(NETWORK).signature
    for device in devices:
        means = choose(Asked(find_hardware(device), 1, None, None, 0, None), "auto", "emulated")
        for target in targets:
            for method in ("plain", *methods):
                key = {"device": device, "method": method, "target": 1.0 if method == "plain" else target}
                if rows.find(**key) is not None:
                    continue
                module = timed(rows, method, target)
                found = means.latency(means.prepare(module, signature, 0))
                rows.add(key | {"ms": found.median_ms})


def timed(rows: Rows, label: str, target: float) -> Any:
    """The network whose latency stands for the method's: for LTMP that of the first seed's counts, where there are."""
    from blockfront.blocks import deploy
    from blockfront.blocks.tokens import Plan, assume_counts, make_static, reduce_tokens
    from blockfront.design_space import Network

    plain: Any = Network.parse(NETWORK).build().eval()
    if label == "plain":
        return plain
    method, options = METHODS[label]
    model = reduce_tokens(plain, method, target=target, **options).eval()
    if method == "ltmp":
        row = rows.find(phase=FROZEN, method=label, target=target)
        seen = row and Plan(tuple(row["lengths"]), tuple(row["merges"]), {}, 0.0, 0, "")
        model = make_static(model, seen or assume_counts(model))
    return deploy(model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["accuracy", "latency", "table"])
    parser.add_argument("--save", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--targets", type=float, nargs="+", default=[0.6, 0.75, 0.45])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--test", type=int, default=2000)
    parser.add_argument("--phases", nargs="+", default=[FROZEN, TUNED], choices=[FROZEN, TUNED])
    parser.add_argument("--figure", type=Path, help="A PNG of accuracy against latency on the first device.")
    parser.add_argument("--devices", nargs="+", default=["rk3399", "rpi5", "host"])
    arguments = parser.parse_args()
    rows = Rows(arguments.save)
    if arguments.what == "accuracy":
        size = arguments.train, arguments.test
        accuracy(rows, arguments.seeds, arguments.targets, arguments.methods, *size, arguments.phases)
    elif arguments.what == "latency":
        latency(rows, arguments.targets, arguments.methods, arguments.devices)
    else:
        print(table(rows))
        if arguments.figure is not None:
            draw(summary(rows), arguments.devices[0], arguments.figure)


if __name__ == "__main__":
    main()
