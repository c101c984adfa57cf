"""What a trained detector finds before suppression, kept once: a configuration is what is left without some slots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from blockfront.anchors.slots import Slots
from blockfront.errors import UsageError
from blockfront.plurals import counted
from blockfront.tasks.boxes import AnchorOutputs, decode
from blockfront.tasks.suppression import Limits


@dataclass(frozen=True)
class ImageBoxes:
    """The candidates of one image above the threshold, by row and class, and its objects.

    `rows` are their anchors' numbers, `slots` those of these anchors' slots; like `classes` and `scores` they are (n,),
    `boxes` (n, 4) corners as shares of the picture. `objects` (m, 7) are rows of a target of detection, corners in
    pixels of a square of the picture's area, whose side is `side`.
    """

    rows: NDArray[np.intp]
    slots: NDArray[np.intp]
    classes: NDArray[np.intp]
    scores: NDArray[np.float32]
    boxes: NDArray[np.float32]
    objects: NDArray[np.float64]
    side: float

    @property
    def counts(self) -> bool:
        """Whether it has an object that is not ignored."""
        return bool((self.objects[:, 6] == 0).any())


@dataclass(frozen=True)
class RecordedBoxes:
    """Those of all test images, with the slots they come from, how many classes there are, and what becomes of them."""

    slots: Slots
    classes: int
    limits: Limits
    images: tuple[ImageBoxes, ...]

    def halves(self, seed: int = 0) -> tuple[RecordedBoxes, RecordedBoxes]:
        """The images dealt to two halves by chance: one to search by, and one to say what was found.

        Raises `UsageError` as `deal_halves`.
        """
        parts = deal_halves([image.counts for image in self.images], seed)
        first, second = (replace(self, images=tuple(self.images[place] for place in part)) for part in parts)
        return first, second


def deal_halves(counting: Sequence[bool], seed: int = 0) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The numbers of images dealt to two halves by chance, each in order; of each image whether it has an object that
    counts.

    Where chance leaves a half without any, one image that has changes places with one that has not. Raises `UsageError`
    where fewer than two have.
    """
    if sum(counting) < 2:
        raise UsageError(
            "one half of the test images decides and the other is scored, so two or more need an object that is not "
            f"ignored, not {sum(counting)} of {counted(len(counting), 'test image')}"
        )
    order = np.random.default_rng(seed).permutation(len(counting))
    halves = order[::2], order[1::2]
    there = np.array(counting, dtype=bool)
    for own, other in (halves, halves[::-1]):
        if not there[own].any():
            # The other has two or more.
            place = np.flatnonzero(there[other])[0]
            own[0], other[place] = other[place], own[0]
    return np.sort(halves[0]), np.sort(halves[1])


def batches_of(batches: Iterable[tuple[Tensor, Tensor]], numbers: NDArray[np.intp]) -> Iterator[tuple[Tensor, Tensor]]:
    """Of batches of images (N, 3, R, R) with targets those images that have these numbers, counted through all."""
    wanted, first = torch.from_numpy(numbers), 0
    for images, targets in batches:
        own = wanted[(wanted >= first) & (wanted < first + len(images))] - first
        first += len(images)
        if len(own):
            yield images[own.to(images.device)], targets[own.to(targets.device)]


def record_boxes(
    detector: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    slot_of_row: NDArray[np.intp],
    slots: Slots,
    limits: Limits | None = None,
) -> RecordedBoxes:
    """Run a detector once over images (N, 3, R, R) with targets of detection, and keep what is above the threshold.

    Zero scores never pass it, so leaving out the candidates of a slot is the same as a detector without it.
    `slot_of_row` (boxes,) has the flat number of each anchor's slot.
    """
    limits = limits or Limits()
    found: list[ImageBoxes] = []
    classes = 0
    detector.eval()
    with torch.inference_mode():
        for images, targets in batches:
            outputs: AnchorOutputs = detector(images)
            scores = outputs.probabilities().float().cpu().numpy()
            boxes = decode(outputs.deltas.float(), outputs.anchors).cpu().numpy()
            classes = scores.shape[2]
            for one, places, rows in zip(scores, boxes, targets.cpu().double().numpy(), strict=True):
                at, kinds = np.nonzero(one > np.float32(limits.threshold))
                side = float(rows[0, 5]) ** 0.5
                objects = rows[rows[:, 0] >= 0]
                objects[:, 1:5] *= side
                found.append(ImageBoxes(at, slot_of_row[at], kinds, one[at, kinds], places[at], objects, side))
    return RecordedBoxes(slots, classes, limits, tuple(found))
