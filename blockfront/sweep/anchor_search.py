"""What a search for anchors leaves of a trained detector: networks of their own in its study, without training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from blockfront.errors import UsageError
from blockfront.results import Score
from blockfront.sweep.adapting import as_adapted
from blockfront.sweep.postprocessing import record_candidates

if TYPE_CHECKING:
    from torch import nn

    from blockfront.anchors import Node
    from blockfront.design_space import AnchorNetwork, Space
    from blockfront.results.postprocess import BoxCandidates
    from blockfront.study.journal import Entry, Journal
    from blockfront.sweep.request import Request
    from blockfront.training import Dataset

ANCHORS = "anchors"
"""The adaptation of a detector that a search for anchors is."""


@dataclass(frozen=True)
class PrunedDetector:
    """What is left without the slots `removed`, its AP where the search was, and its scores where it was not."""

    network: str
    removed: tuple[int, ...]
    search_ap: float
    scores: dict[str, Score]


@dataclass(frozen=True)
class AnchorSearch:
    """A search for what may lose so much AP, `drop`, on one half of the test images, and what came of it on the other.

    `search_ap` is that of the whole detector, `evaluated` how many configurations were. Of the front there is the
    cheapest that loses nothing, and the cheapest of all.
    """

    drop: float
    search_images: int
    test_images: int
    search_ap: float
    evaluated: int
    pruned: tuple[PrunedDetector, ...]


@dataclass(frozen=True)
class Leftover:
    """Of a pruned detector what its trial has not from the `AnchorSearch`, and a file of its weights if asked for."""

    network_id: str
    candidates: BoxCandidates | None
    weights: bytes | None


def check_prune(request: Request, space: Space, precision: str, dataset: Dataset | None) -> float | None:
    """The AP that detectors may lose with some of their anchors; raises `UsageError` where none can be searched for."""
    from blockfront.design_space import DetectorSpace, VitDetectionSpace
    from blockfront.tasks import DETECTION

    drop = request.prune
    if drop is None:
        return None
    if not 0 <= drop < 1:
        raise UsageError(f"--prune is AP that may be lost, such as 0.02, not {drop:g}")
    if not isinstance(space, DetectorSpace | VitDetectionSpace) or space.task != DETECTION:
        raise UsageError("--prune searches detectors for anchors by the AP of boxes; take --space detect or vit_detect")
    if dataset is None:
        raise UsageError("--prune searches trained detectors, and there is no training; leave one of the two out")
    if dataset.test_images < 2:
        raise UsageError(f"--prune decides by one half of the test images, and {dataset.ref} has {dataset.test_images}")
    for option, given in (
        ("--precision int8", precision == "int8"),
        ("--train-seeds", request.train_seeds > 1),
        ("--budget", request.budget is not None),
    ):
        if given:
            raise UsageError(f"--prune decides by one training to its end, in floating point; leave it or {option} out")
    _check_halves(request.value, dataset)
    return drop


def _check_halves(value: str | None, dataset: Dataset) -> None:
    """Raise `UsageError` where test images have too few objects for two halves, or the one scored gives no `value`."""
    from blockfront.anchors import deal_halves
    from blockfront.tasks import DETECTION, TASKS, counting_images
    from blockfront.training import labels_of_tests

    labels = list(labels_of_tests(dataset))
    try:
        _, others = deal_halves(counting_images(labels))
    except UsageError as error:
        raise UsageError(f"--prune, on {dataset.ref}: {error}; take other test images, or leave it out") from error
    if value is not None and (reason := TASKS[DETECTION].lacks(value, [labels[number] for number in others])):
        raise UsageError(
            f"--prune scores one half of the test images of {dataset.ref}, and --value {value} cannot be had of it: "
            f"{reason}; take --value ap, or leave one of the two out"
        )


def prune_trained(
    network: AnchorNetwork,
    module: nn.Module,
    dataset: Dataset,
    drop: float,
    where: Mapping[str, Any],
    parts: Mapping[str, Any],
    record: bool,
    keep: bool,
) -> tuple[dict[str, Any], tuple[Leftover, ...]]:
    """The `parts` of a `Result` that training `module` found, with an `AnchorSearch` among its adaptations.

    What is searched and scored is the detector as its other adaptation, if any, has it. All scores, the whole
    detector's too, are of the half of the test images that decides nothing: rows of a study are compared on the same
    images. `where`: `train`'s arguments resolution, device, threads and seed. `record` and `keep`: whether to record
    what suppression looks at, and to keep weights.
    """
    from blockfront.anchors import (
        batches_of,
        deal_halves,
        prune_detector,
        pruned_network,
        record_boxes,
        slot_of_rows,
        slots_of,
    )
    from blockfront.results import Adapted
    from blockfront.tasks import counting_images
    from blockfront.training import fed, labels_of_tests, pack_weights, score
    from blockfront.training.preparing import preparation_of

    ours, others = deal_halves(counting_images(labels_of_tests(dataset)))
    scored = as_adapted(network, module, parts)
    with fed(scored, dataset, **where) as feed:
        boxes = record_boxes(scored, batches_of(feed.test(), ours), slot_of_rows(network), slots_of(network))
        whole = score(scored, feed, batches_of(feed.test(), others))
    (training,) = parts["trainings"]
    found = replace(training, scores=whole, test_images=len(others))
    search_ap, chosen, evaluated = _search(network, boxes, drop)
    pruned, leftovers = [], []
    for node in chosen:
        smaller, spec = prune_detector(network, module, node.removed), pruned_network(network, node.removed)
        scored = as_adapted(spec, smaller, parts)
        with fed(scored, dataset, **where) as feed:
            scores = score(scored, feed, batches_of(feed.test(), others))
            preparation = preparation_of(feed)
        removed = tuple(sorted(node.removed))
        pruned.append(PrunedDetector(str(spec), removed, node.value, scores))
        facts = {
            **{"network": str(spec), "network_id": spec.id, "pruned_from": str(network), "slots_removed": removed},
            "preparation": preparation,
        }
        with fed(scored, dataset, **{**where, "device": "cpu"}) as feed:
            candidates = record_candidates(scored, feed.test()) if record else None
        leftovers.append(Leftover(spec.id, candidates, pack_weights(smaller, facts) if keep else None))
    artefact = AnchorSearch(drop, len(ours), len(others), search_ap, evaluated, tuple(pruned))
    adapted = Adapted(msgspec.to_builtins(artefact), training.scores, {})
    adaptations = {**parts.get("adaptations", {}), ANCHORS: adapted}
    return {**parts, "adaptations": adaptations, "trainings": (found,)}, tuple(leftovers)


def _search(network: AnchorNetwork, boxes: Any, drop: float) -> tuple[float, list[Node], int]:
    """The AP of the whole detector, what is taken of the front, and how many configurations were evaluated."""
    from blockfront.anchors import Rules, SlotScores, pruned_network, search_anchors, slots_of

    scores = SlotScores(boxes)
    whole = scores(frozenset())[0]
    if not whole > drop:
        # Nothing that may be lost as a whole is worth a search.
        return whole, [], 1

    def head_macs(removed: Any) -> float:
        return float(pruned_network(network, removed).cost.head_macs or 0)

    rules = Rules(least=whole - drop, strict=True, step="shared" if network.head.kind == "retina" else "slot")
    found = search_anchors(slots_of(network), scores, head_macs, rules)
    smaller = [node for node in found.front if node.removed]
    free = [node for node in smaller if node.value >= round(whole, 3)]
    return whole, list(dict.fromkeys([*free[-1:], *smaller[-1:]])), len(found.evaluated)


def add_pruned_trials(
    journal: Journal, entry: Entry, parts: Mapping[str, Any], leftovers: tuple[Leftover, ...] = ()
) -> None:
    """Trials for what a search left of a detector, by the `parts` of its `Result`, unless the study has them."""
    from blockfront.design_space import Network

    adapted = parts.get("adaptations", {}).get(ANCHORS)
    if adapted is None:
        return
    candidates = {one.network_id: one.candidates for one in leftovers}
    for one in msgspec.convert(adapted.artefact, AnchorSearch).pruned:
        network = Network.parse(one.network)
        training = replace(parts["trainings"][0], scores=one.scores, curve=(), seconds=0.0)
        # What else data decided of the whole detector is decided of what is left.
        others = {name: one for name, one in parts["adaptations"].items() if name != ANCHORS}
        own = {"adaptations": others or None, "trainings": (training,), "accuracy_from": parts.get("accuracy_from")}
        journal.add_pruned(entry, network, {**own, "candidates": candidates.get(network.id)})
