"""Which anchors' boxes others cover: what makes a slot redundant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blockfront.anchors.candidates import ImageCandidates, as_flags
from blockfront.anchors.recorded import RecordedBoxes
from blockfront.tasks.average_precision import box_shares


def covered_shares(recorded: RecordedBoxes, overlap: float = 0.5) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """How much of what each slot gives another slot would give in its place.

    Of the boxes that suppression keeps of slot i, [i, j] of the shares (slots, slots) is how many a candidate of slot
    j, of the same image and class, overlaps by at least `overlap`; the diagonal and rows of slots that give nothing
    are 0. The counts (slots,) are those boxes.
    """
    slots = len(recorded.slots)
    covered, counts = np.zeros((slots, slots)), np.zeros(slots, dtype=np.intp)
    for image in recorded.images:
        candidates = ImageCandidates.of(image, recorded.classes, recorded.limits.overlap)
        everything = (1 << len(candidates)) - 1
        kept = as_flags(candidates.best(candidates.survivors(everything), recorded.limits.kept), len(candidates))
        rows = candidates.order[kept]
        np.add.at(counts, image.slots[rows], 1)
        alike = image.classes[rows][:, None] == image.classes[None]
        boxes = image.boxes.astype(np.float64)
        near = alike & (box_shares(boxes[rows], boxes) >= overlap)
        # Each box counts once for a slot, however many of its boxes are near.
        by_slot = np.stack([near[:, image.slots == slot].any(1) for slot in range(slots)], axis=1)
        np.add.at(covered, image.slots[rows], by_slot)
    shares = covered / np.maximum(counts, 1)[:, None]
    np.fill_diagonal(shares, 0)
    return shares, counts
