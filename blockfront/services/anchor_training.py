"""The detector that a search for anchors left, trained anew from nothing, beside what it was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from blockfront.cores import usable_cores
from blockfront.errors import UsageError
from blockfront.files import explaining, write_atomically
from blockfront.results.training import mean_score
from blockfront.services.anchors import FrontRow

if TYPE_CHECKING:
    from torch import nn

    from blockfront.console.progress import Progress
    from blockfront.results import Score, Training
    from blockfront.training import Dataset, Recipe


@dataclass(frozen=True)
class Anew:
    """How the smaller detector is trained: by a recipe, with seeds; on a device."""

    recipe: Recipe
    seeds: range
    device: str


def taught_by(weights: Path) -> tuple[Recipe | None, int]:
    """The recipe and the seed that a file of weights says it was trained with; None and 0 where it says nothing."""
    from blockfront.training import Recipe, weights_facts

    facts = weights_facts(weights)
    recipe = msgspec.json.decode(facts["recipe"], type=Recipe) if "recipe" in facts else None
    trainings = msgspec.json.decode(facts.get("trainings", "[]"))
    return recipe, trainings[0]["seed"] if trainings else 0


def train_row(row: FrontRow, dataset: Dataset, anew: Anew, output: Path, progress: Progress) -> dict[str, Any]:
    """Scores of the whole detector, of what is left of it, and of that trained anew, all on the same images.

    These are the half of the test images that the search did not see, where the front was stated on it. The weights of
    the first seed go to `output`. An interrupted training goes on from its last epoch.
    """
    from blockfront.anchors import prune_detector
    from blockfront.design_space import DetectionNetwork, Network
    from blockfront.training import pack_weights, seeded, train
    from blockfront.training.checkpoint import checkpoint_path

    row.detector.check_dataset(dataset)
    network, whole = Network.parse(row.row["network"]), row.detector.build()
    if not isinstance(network, DetectionNetwork):
        raise UsageError("a detector whose backbone is a transformer is not trained anew by this command")
    if not row.row["removed"]:
        raise UsageError("this row is the whole detector, which has been trained; take another one")
    pruned = prune_detector(row.detector.network, whole, row.row["removed"])

    def scored(module: nn.Module) -> dict[str, Score]:
        return _scores(module, network.resolution, row, dataset, anew.device)

    before = {"whole": scored(whole), "pruned": scored(pruned)}
    trainings: list[Training] = []
    checkpoints = []
    threads = usable_cores()
    with progress.stage("train", len(anew.seeds) * anew.recipe.epochs) as advance:
        for seed in anew.seeds:
            path = checkpoint_path(network.id, anew.recipe.hash, dataset.ref, dataset.fingerprint, seed)
            with seeded(seed, threads):
                module = network.build()
                training = train(
                    module,
                    dataset,
                    anew.recipe,
                    resolution=network.resolution,
                    device=anew.device,
                    threads=threads,
                    seed=seed,
                    checkpoint=path,
                    on_epoch=lambda *_: advance(),
                )
            checkpoints.append(path)
            trainings.append(replace(training, scores=scored(module)))
            if len(trainings) == 1:
                facts = {**row.facts, "network_id": network.id, "recipe": anew.recipe, "trainings": trainings}
                with explaining(output):
                    write_atomically(output, pack_weights(module, facts))
    for path in checkpoints:
        path.unlink(missing_ok=True)
    after = {name: mean_score(trainings, name) for name in trainings[0].scores}
    return {
        "file": str(output),
        **{key: row.row[key] for key in ("network", "slots", "boxes", "head_macs", "head_share")},
        "dataset": dataset.ref,
        "recipe_hash": anew.recipe.hash,
        "epochs": anew.recipe.epochs,
        "seeds": list(anew.seeds),
        **{name: msgspec.to_builtins(found) for name, found in before.items()},
        "anew": msgspec.to_builtins(after),
        "each": [msgspec.to_builtins(training.scores) for training in trainings],
    }


def _scores(module: nn.Module, resolution: int, row: FrontRow, dataset: Dataset, device: str) -> dict[str, Score]:
    from blockfront.anchors import batches_of, deal_halves
    from blockfront.tasks import counting_images
    from blockfront.training import fed, labels_of_tests, score

    with fed(module, dataset, resolution=resolution, device=device) as feed:
        if not row.held_out:
            return score(module, feed)
        _, others = deal_halves(counting_images(labels_of_tests(dataset)))
        return score(module, feed, batches_of(feed.test(), others))
