"""Masks of objects as COCO's files have them: polygons, run lengths as numbers, and run lengths as text."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from blockfront.errors import UsageError, first_line
from blockfront.training.boxed_pictures import BoxedPictures
from blockfront.training.survey import printable

# The decoder raises a RuntimeError for text that is no run lengths.
_MALFORMED = (KeyError, TypeError, ValueError, IndexError, RuntimeError)
_FAR = 10
"""How many pictures beside its own a corner may lie: the decoder's memory grows with it."""


@dataclass(frozen=True)
class InstancePictures(BoxedPictures):
    """Pictures below a folder with their objects and these' masks: (image, (rows, masks)).

    Masks (rows, H, W) are true and false, at the picture's size; that of the first row, the picture itself, is empty.
    """

    def __getitem__(self, index: int) -> tuple[Image.Image, Any]:
        image, rows = super().__getitem__(index)
        one = self.pictures[index]
        masks = np.zeros((len(rows), one.height, one.width), dtype=bool)
        for number, annotated in enumerate(one.masks, 1):
            try:
                masks[number] = decode_mask(annotated, one.height, one.width)
            except _MALFORMED as error:
                raise UsageError(
                    f"object {number} of image {printable(one.file)} has no mask that can be read "
                    f"({first_line(error)}): it wants polygons, or run lengths for the picture's size"
                ) from error
        return image, (rows, masks)


def decode_mask(annotated: Any, height: int, width: int) -> NDArray[np.bool_]:
    """A `segmentation` of COCO's format as true and false (height, width).

    It is a list of polygons [x, y, x, y, ...], of which any may hold a pixel, or run lengths {"size": [height, width],
    "counts": ...}, column after column and beginning with what is none of the object, as numbers or as COCO's text.
    Raises `ValueError`, `KeyError` or `TypeError` for anything else.
    """
    from faster_coco_eval.core import mask

    if isinstance(annotated, list):
        if not annotated or any(len(polygon) < 6 or len(polygon) % 2 for polygon in annotated):
            raise ValueError("a polygon has three corners or more, of two numbers each")
        polygons = [[float(number) for number in polygon] for polygon in annotated]
        reach = _FAR * max(height, width)
        if not all(abs(number) <= reach for polygon in polygons for number in polygon):
            raise ValueError("a corner is not finite, or far outside the picture")
        runs = mask.merge(mask.frPyObjects(polygons, height, width))
    else:
        if list(annotated["size"]) != [height, width]:
            raise ValueError(f"its size is {annotated['size']}, and the picture's {[height, width]}")
        counts = annotated["counts"]
        if isinstance(counts, list):
            if min(counts) < 0:
                raise ValueError("a run length is negative")
            if sum(counts) != height * width:
                raise ValueError(f"its run lengths sum to {sum(counts)}, and the picture has {height * width} pixels")
            values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
            return values.reshape(width, height).T
        runs = {"size": [height, width], "counts": counts.encode() if isinstance(counts, str) else counts}
    found: NDArray[np.uint8] = mask.decode(runs)
    return found.reshape(height, width) > 0


def is_empty(annotated: Any, height: int, width: int) -> bool:
    """Whether a `segmentation` holds no pixel; False of one that cannot be read. Few polygons are drawn to find out."""
    try:
        if isinstance(annotated, list) and any(_holds_pixels(polygon, height, width) for polygon in annotated):
            return False
        return not decode_mask(annotated, height, width).any()
    except _MALFORMED:
        return False


def _holds_pixels(polygon: list[float], height: int, width: int) -> bool:
    """True of a polygon inside the picture with a larger area than its outline is long: such a one misses no pixel."""
    corners = np.array(polygon, dtype=float).reshape(-1, 2)
    after = np.roll(corners, -1, axis=0)
    area = abs(float((corners[:, 0] * after[:, 1] - corners[:, 1] * after[:, 0]).sum())) / 2
    outline = float(np.hypot(*(after - corners).T).sum())
    return bool(area > outline and corners.min() >= 0 and (corners.max(axis=0) <= (width, height)).all())


def run_lengths(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """A mask (H, W) as run lengths in numbers, which `decode_mask` takes."""
    runs = [(value, len(list(group))) for value, group in groupby(mask.T.ravel().tolist())]
    counts = [length for _, length in runs]
    return {"size": list(mask.shape), "counts": [0, *counts] if runs[0][0] else counts}
