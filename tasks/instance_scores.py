"""COCO's average precisions of masks on test images, with intervals over the images, beside those of boxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from blockfront.results import Score
from blockfront.tasks.average_precision import MOST, Matched, match_overlaps
from blockfront.tasks.box_masks import instance_masks
from blockfront.tasks.boxes import AnchorOutputs, decode
from blockfront.tasks.detection_scores import NAMES, BoxScores, evaluated, precision_lost, with_intervals
from blockfront.tasks.packed_masks import unpack_masks
from blockfront.tasks.suppression import Limits, suppress

MASK_NAMES = tuple(f"mask_{name}" for name in NAMES)
_ROW = 7
"""Numbers of a row before its mask."""


@dataclass
class InstanceScores:
    """Boxes and masks that a network gives for test images, and the objects that there are.

    Masks have the pixels of the targets', areas are those of the picture.
    """

    classes: int
    limits: Limits = field(default_factory=Limits)
    truth: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    matched: list[list[Matched]] = field(init=False)

    def __post_init__(self) -> None:
        self.boxes = BoxScores(self.classes, self.limits)
        self.matched = [[] for _ in range(self.classes)]

    def add(self, outputs: AnchorOutputs, targets: Tensor) -> None:
        self.boxes.add(outputs, targets[..., :_ROW])
        scores = outputs.probabilities().float().cpu().numpy()
        corners = decode(outputs.deltas.float(), outputs.anchors).cpu()
        masks = unpack_masks(targets[..., _ROW:]).cpu().numpy()
        for number, (one, places, rows) in enumerate(zip(scores, corners, targets.cpu().double().numpy(), strict=True)):
            stay, kinds = suppress(one, places.numpy(), self.limits)
            there = rows[:, 0] >= 0
            self._add_image(
                instance_masks(outputs, number, torch.from_numpy(stay), places[stay], masks.shape[-1]).numpy(),
                kinds,
                one[stay, kinds].astype(np.float64),
                masks[number][there],
                rows[there],
                rows[0, 5],
            )

    def _add_image(
        self,
        found: NDArray[np.bool_],
        kinds: NDArray[np.intp],
        scores: NDArray[np.float64],
        masks: NDArray[np.bool_],
        objects: NDArray[np.float64],
        area: float,
    ) -> None:
        """An image's masks (d, S, S), with classes and scores (d,), and the masks (m, S, S) and rows of its objects."""
        image, side = len(self.images), masks.shape[-1]
        self.images.append({"id": image, "height": side, "width": side, "scale": area / side**2})
        for kind, score, rle in zip(kinds.tolist(), scores.tolist(), encoded_masks(found), strict=True):
            self.results.append({"image_id": image, "category_id": kind, "segmentation": rle, "score": score})
        for row, rle in zip(objects.tolist(), encoded_masks(masks), strict=True):
            where = {"id": len(self.truth) + 1, "image_id": image, "category_id": int(row[0])}
            self.truth.append({**where, "segmentation": rle, "bbox": _box(rle), "area": row[5], "iscrowd": int(row[6])})
        for kind, images in enumerate(self.matched):
            own, there = np.flatnonzero(kinds == kind)[:MOST], objects[:, 0] == kind
            ignored = objects[there, 6] > 0
            shared, areas = mask_shares(found[own], masks[there])
            whole = areas[:, None] + masks[there].sum((1, 2))[None] - shared
            unions, alone = (shared / np.maximum(one, 1) for one in (whole, areas[:, None]))
            images.append(match_overlaps(scores[own], unions[:, ~ignored], alone[:, ignored]))

    def scores(self) -> dict[str, Score]:
        """Of masks and of boxes, but for sizes that no object has; the first three of each have intervals."""
        statistics = evaluated(self.images, self.truth, self.results, "segm", self.classes)
        return {**with_intervals(MASK_NAMES, statistics, self.matched), **self.boxes.scores()}

    def drop(self, other: InstanceScores) -> Score:
        return precision_lost(self.matched, other.matched)


def encoded_masks(masks: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Masks (n, H, W) as COCO's run-length encodings."""
    from faster_coco_eval.core import mask

    if not len(masks):
        return []
    found: list[dict[str, Any]] = mask.encode(np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8)))
    return found


def mask_shares(masks: NDArray[np.bool_], others: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How many pixels masks (n, H, W) and others (m, H, W) share (n, m), and how many the first have (n,)."""
    own, other = (
        one.reshape(len(one), np.prod(one.shape[1:], dtype=int)).astype(np.float32) for one in (masks, others)
    )
    return (own @ other.T).astype(np.float64), own.sum(1).astype(np.float64)


def _box(rle: dict[str, Any]) -> list[float]:
    from faster_coco_eval.core import mask

    box: list[float] = mask.toBbox([rle])[0].tolist()
    return box
