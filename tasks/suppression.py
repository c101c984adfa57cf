"""From a detector's outputs to boxes: threshold, a capacity, and non-maximum suppression, as they are deployed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 1024


@dataclass(frozen=True)
class Limits:
    """What becomes a box: scores above `threshold`; of them the best `candidates`; of those, class by class, what
    overlaps no better one by more than `overlap`; and of those the best `kept`."""

    threshold: float = 0.02
    candidates: int = 1000
    overlap: float = 0.45
    kept: int = 200


def within_capacity(scores: NDArray[np.float32], limits: Limits) -> NDArray[np.intp]:
    """Indices of the scores (n,) that are looked at, in ascending order: all, or the best of more than the capacity.

    Then scores are sorted into `BINS` equal bins: whole bins from the best one down as long as they fit, then as many
    as still fit of the next, by index.
    """
    if len(scores) <= limits.candidates:
        return np.arange(len(scores))
    bins = np.minimum((scores * np.float32(BINS)).astype(np.intp), BINS - 1)
    from_above = np.cumsum(np.bincount(bins, minlength=BINS)[::-1])[::-1]
    lowest = int(np.argmax(from_above <= limits.candidates)) if from_above[-1] <= limits.candidates else BINS
    whole = bins >= lowest
    partly = np.flatnonzero(bins == lowest - 1)[: limits.candidates - int(whole.sum())]
    whole[partly] = True
    return np.flatnonzero(whole)


def survivors(
    scores: NDArray[np.float32], classes: NDArray[np.intp], boxes: NDArray[np.float32], limits: Limits
) -> list[int]:
    """Which of some candidates stay, best first: their indices.

    Candidates (n,) with corners (n, 4) come by row, then by class, which is the order of equal scores. In float32,
    without a division: a box goes where its intersection with a better one of its class is above `overlap` times their
    union.
    """
    order = np.argsort(-scores, kind="stable")
    classes = classes[order]
    left, top, right, bottom = boxes[order].T
    area = (right - left) * (bottom - top)
    alive = np.ones(len(order), dtype=bool)
    stay: list[int] = []
    overlap = np.float32(limits.overlap)
    for best in range(len(order)):
        if not alive[best]:
            continue
        stay.append(int(order[best]))
        if len(stay) == limits.kept:
            break
        width = np.minimum(right, right[best]) - np.maximum(left, left[best])
        height = np.minimum(bottom, bottom[best]) - np.maximum(top, top[best])
        shared = np.maximum(width, np.float32(0)) * np.maximum(height, np.float32(0))
        alive &= ~((classes == classes[best]) & (shared > overlap * (area + area[best] - shared)))
    return stay


def suppress(
    scores: NDArray[np.float32], boxes: NDArray[np.float32], limits: Limits
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and classes of the boxes that stay, best first, of scores (B, C) and corners (B, 4)."""
    flat = np.flatnonzero(scores.ravel() > np.float32(limits.threshold))
    flat = flat[within_capacity(scores.ravel()[flat], limits)]
    rows, classes = np.divmod(flat, scores.shape[1])
    stay = survivors(scores.ravel()[flat], classes, boxes[rows], limits)
    return rows[stay], classes[stay]
