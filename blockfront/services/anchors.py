"""What `bench anchors` does: search for the anchors that a trained detector can do without, and leave them out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockfront.content_store import cache_folder
from blockfront.digest import digest
from blockfront.errors import UsageError, why_unreadable
from blockfront.files import explaining, write_atomically
from blockfront.plurals import counted
from blockfront.services.trained_detector import TrainedDetector

if TYPE_CHECKING:
    from blockfront.anchors import Price, RecordedBoxes, Removed, Rules
    from blockfront.console.progress import Progress
    from blockfront.targets import Means
    from blockfront.training import Dataset

_NOTE_SECONDS = 5.0
_KEYS = {"network", "weights", "weights_hash", "dataset", "held_out", "rows"}


@dataclass(frozen=True)
class Aim:
    """What a search is for: a cost by name, the prices that it goes by and that its front states, and the AP to lose.

    With `held_out` it decides by one half of the test images, and its front is stated on the other. Where prices are
    latencies, `means` have what follows the head too, as far as it can be timed.
    """

    cost: str
    price: Price
    stated: Price
    drop: float
    held_out: bool = True
    means: Means | None = None


def search_front(
    detector: TrainedDetector,
    dataset: Dataset,
    aim: Aim,
    rules: Callable[[float], Rules],
    device: str,
    progress: Progress,
) -> dict[str, Any]:
    """The front of a detector's configurations: rows by cost, and what they were found on.

    `rules` are made from the least value. What was evaluated before, of the same weights and images, is known.
    A latency is that of the head and of what follows: while it searches as estimated, on the front as timed.
    Raises `UsageError` for a detector that finds nothing, and for test images with too few objects.
    """
    from blockfront.anchors import (
        Front,
        Memo,
        SlotScores,
        record_boxes,
        search_anchors,
        slot_of_rows,
        slots_of,
    )
    from blockfront.services.anchor_boxes import BoxesLatency
    from blockfront.sweep.postprocessing import means_of_boxes
    from blockfront.training import fed

    network = detector.network
    detector.check_dataset(dataset)
    module, slots = detector.build(), slots_of(network)
    with (
        fed(module, dataset, resolution=network.resolution, device=device) as feed,
        progress.stage("detect", 1) as step,
    ):
        boxes = record_boxes(module, feed.test(), slot_of_rows(network), slots)
        step()
    ours, others = _dealt(boxes, dataset, aim.held_out)
    scores = SlotScores(ours)
    origin = detector.network.id, _hash(detector.weights), dataset.ref, dataset.fingerprint, boxes.limits
    memo = Memo(cache_folder() / "anchors" / f"{digest(repr((*origin, _mark(boxes, aim.held_out))), 20)}.jsonl")
    known = len(memo.known)
    if known:
        progress.note(f"known from before: {counted(known, 'configuration')}")
    last = time.monotonic()

    def measure(removed: Removed, parent: Removed) -> tuple[float, ...]:
        nonlocal last
        if time.monotonic() - last > _NOTE_SECONDS:
            last = time.monotonic()
            progress.note(
                f"{counted(len(memo.known), 'configuration')} evaluated, now with "
                f"{counted(len(slots) - len(removed), 'slot')}"
            )
        return memo.of(removed, lambda: scores(removed, parent))

    whole = measure(frozenset(), frozenset())
    if whole[0] <= 0:
        raise UsageError(f"the detector finds nothing on the images of {dataset.ref} (AP 0): train it first")
    if whole[0] <= aim.drop:
        progress.note(f"an AP of {whole[0]:.3f} may be lost as a whole: give a --drop below it")
    chosen = rules(whole[0] - aim.drop)
    timed = None if aim.means is None else means_of_boxes(aim.means)
    behind = None if timed is None else BoxesLatency(network, module, boxes, timed, repr(origin))
    if behind is not None:
        behind.fit(chosen.step, progress)

    def price(removed: Removed) -> float:
        return aim.price(removed) + (0 if behind is None else behind.estimated(removed))

    def stated(removed: Removed) -> float:
        return aim.stated(removed) + (0 if behind is None else behind(removed))

    found = search_anchors(slots, measure, price, chosen)
    front = Front(strict=True)
    with progress.stage("front", len(found.front)) as advance:
        for node in found.front:
            front.add(replace(node, cost=stated(node.removed)))
            advance()
    on_front = {node.removed for node in front}
    # The whole detector, which need not be on the front, is what the others are compared with.
    configurations = [frozenset[int](), *(node.removed for node in found.front if node.removed in on_front)]
    others_scores = SlotScores(others)
    rows = [
        _row(detector, removed, memo.known[removed], others_scores(removed), stated(removed), removed in on_front)
        for removed in dict.fromkeys(configurations)
    ]
    if aim.means is not None:
        for row in rows:
            row["head_ms"] = aim.stated(frozenset(row["removed"]))
    if behind is not None:
        for row in rows:
            row["postprocess_ms"] = behind(frozenset(row["removed"]))
    return {
        "network": str(network),
        "weights": str(detector.weights.resolve()),
        "weights_hash": _hash(detector.weights),
        "dataset": dataset.ref,
        "cost": aim.cost,
        "held_out": aim.held_out,
        "searched_on": counted(len(ours.images), "test image"),
        "stated_on": f"the other {counted(len(others.images), 'test image')}" if aim.held_out else "the same images",
        "candidates": sum(len(image.slots) for image in boxes.images) / len(boxes.images),
        "evaluated": len(found.evaluated),
        "postprocess_fit": None if behind is None else behind.error([node.removed for node in found.front]),
        "rows": [{"row": place, **row} for place, row in enumerate(rows)],
    }


def _dealt(boxes: RecordedBoxes, dataset: Dataset, held_out: bool) -> tuple[RecordedBoxes, RecordedBoxes]:
    """What is searched by, and what the front is stated on."""
    if not any(image.counts for image in boxes.images):
        raise UsageError(f"no test image of {dataset.ref} has an object that is not ignored, so nothing can be scored")
    if not held_out:
        return boxes, boxes
    try:
        return boxes.halves()
    except UsageError as error:
        raise UsageError(f"{dataset.ref}: {error}; take other images, or --same-images for both") from error


def _mark(boxes: RecordedBoxes, held_out: bool) -> object:
    """What searches on some of the images are told apart by: whether on a half, and which where not chance dealt it."""
    from blockfront.anchors import deal_halves

    if not held_out:
        return held_out
    counting = [image.counts for image in boxes.images]
    usual, dealt = (deal_halves(each)[0].tolist() for each in ([True] * len(counting), counting))
    return held_out if dealt == usual else dealt


def _row(
    detector: TrainedDetector,
    removed: Removed,
    searched: tuple[float, ...],
    stated: tuple[float, ...],
    price: float,
    front: bool,
) -> dict[str, Any]:
    from blockfront.anchors import pruned_network

    smaller, network = pruned_network(detector.network, removed), detector.network
    return {
        "ap": stated[0],
        "ap50": stated[1],
        "ap75": stated[2],
        "search_ap": searched[0],
        "cost": price,
        "head_macs": smaller.cost.head_macs,
        "head_share": (smaller.cost.head_macs or 0) / (network.cost.head_macs or 1),
        "boxes": smaller.boxes,
        "slots": ".".join(level or "0" for level in smaller.head.slots),
        "removed": sorted(removed),
        "front": front,
        "network": str(smaller),
    }


def _hash(path: Path) -> str:
    return digest(path.read_bytes(), 20)


def write_front(front: dict[str, Any], path: Path) -> None:
    """Keep a front as JSON."""
    with explaining(path):
        write_atomically(path, json.dumps(front, indent=1) + "\n")


def apply_row(path: Path, row: int, weights: Path | None, output: Path) -> dict[str, Any]:
    """Write the weights of the detector that a row of a front's file is, with its network in their header.

    As `read_row`.
    """
    from blockfront.anchors import prune_detector
    from blockfront.training import pack_weights

    row_of_front = read_row(path, row, weights)
    detector, chosen = row_of_front.detector, row_of_front.row
    smaller = prune_detector(detector.network, detector.build(), chosen["removed"])
    with explaining(output):
        write_atomically(output, pack_weights(smaller, row_of_front.facts))
    return {"file": str(output), **chosen}


@dataclass(frozen=True)
class FrontRow:
    """A row of a front's file: the whole detector, what the front was found on, and the row as it stands there."""

    detector: TrainedDetector
    dataset: str
    held_out: bool
    row: dict[str, Any]

    @property
    def facts(self) -> dict[str, Any]:
        """What the header of the smaller detector's weights says of it."""
        from blockfront.services.preparation import weights_preparation

        removed = self.row["removed"]
        said = weights_preparation(str(self.detector.weights))
        own = {"network": self.row["network"], "pruned_from": str(self.detector.network), "slots_removed": removed}
        return {**own, "preparation": said} if said else own


def read_row(path: Path, row: int, weights: Path | None) -> FrontRow:
    """A row of a front's file; `weights` are the whole detector's, by default where they were when it was searched.

    Raises `UsageError` for a file that is no front, a row that it has not, and weights that are none of the detector
    searched.
    """
    from blockfront.design_space import AnchorNetwork, Network

    front = _read_front(path)
    if not 0 <= row < len(front["rows"]):
        raise UsageError(f"{path} has rows 0 to {len(front['rows']) - 1}, and no {row}")
    network, source = Network.parse(front["network"]), weights or Path(front["weights"])
    assert isinstance(network, AnchorNetwork)
    if not source.is_file():
        raise UsageError(f"the weights that were searched are no longer at {source}; say where with --weights")
    if _hash(source) != front["weights_hash"]:
        raise UsageError(f"{source} is not the file that {path} was found with; search again")
    return FrontRow(TrainedDetector(network, source), front["dataset"], front["held_out"], front["rows"][row])


def _read_front(path: Path) -> dict[str, Any]:
    try:
        front = json.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {why_unreadable(error)}") from error
    except ValueError:
        front = None
    if not isinstance(front, dict) or not front.keys() >= _KEYS:
        raise UsageError(f"{path} is no file of bench anchors search: it has no rows of a search")
    return front
