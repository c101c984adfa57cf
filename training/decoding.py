"""Pictures of any mode that Pillow reads, upright and as 8-bit RGB, and a look at them before training."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps

DEPTHS = tuple((1 << bits) - 1 for bits in (8, 10, 12, 14, 16))
"""White in grey pictures of 8 bits and more, as cameras and scanners have them."""


FULL = (0, DEPTHS[-1]), (0, 1)
"""Black and white of whole numbers and of floating ones where nothing more is known of a data set."""


@dataclass(frozen=True)
class Levels:
    """The values that become black and white: of grey pictures of whole numbers above 8 bits, and of floating ones.

    A data set has one of each, so that its pictures stay comparable; None where it has no such pictures.
    """

    integers: tuple[float, float] | None = None
    floats: tuple[float, float] | None = None


@contextmanager
def open_picture(picture: Any) -> Iterator[Image.Image]:
    """A PIL image, open file or array (H, W[, C]) as an image, whose file is closed afterwards."""
    with warnings.catch_warnings():
        # of sizes below Pillow's limit and of odd metadata: what cannot be read is an error
        warnings.simplefilter("ignore")
        if isinstance(picture, np.ndarray):
            yield Image.fromarray(picture)
        elif isinstance(picture, Image.Image):
            yield picture
        else:
            with picture, Image.open(picture) as image:
                yield image


def to_rgb(picture: Any, levels: Levels) -> Image.Image:
    """A PIL image, open file or uint8 array as RGB: its first frame, as its EXIF orientation shows it, on white.

    Colours keep their numbers: profiles are not applied. Raises what Pillow does for one that it cannot read.
    """
    with open_picture(picture) as image:
        image = _upright(image)
        if _is_deep(image):
            return Image.fromarray(_eight_bit(image, levels)).convert("RGB")
        if image.has_transparency_data:
            image = image.convert("RGBA")
            return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
        return image.convert("RGB")


def find_levels(pictures: Iterable[Any]) -> Levels:
    """Levels for pictures, which are all decoded.

    Whole numbers from 0 have the least of `DEPTHS` that holds them all for white, and floating ones from 0 have 1 or
    255; all others, such as negative ones, have the least and the greatest value found. Raises as `to_rgb` does.
    """
    found: dict[bool, list[float]] = {False: [], True: []}
    for picture in pictures:
        with open_picture(picture) as image:
            if not _is_deep(image):
                to_rgb(image, Levels())
                continue
            values = np.asarray(image)
            values = values[np.isfinite(values)]
            if values.size:
                found[image.mode == "F"] += [float(values.min()), float(values.max())]
    return Levels(_range(found[False], DEPTHS), _range(found[True], (1, 255)))


def _range(values: list[float], whites: tuple[int, ...]) -> tuple[float, float] | None:
    if not values:
        return None
    low, high = min(values), max(values)
    white = next((white for white in whites if low >= 0 and high <= white), None)
    return (low, high) if white is None else (0, white)


def _is_deep(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _eight_bit(image: Image.Image, levels: Levels) -> np.ndarray:
    """Grey values (H, W) uint8 of a deep picture; what is no number is black."""
    low, high = (levels.floats or FULL[1]) if image.mode == "F" else (levels.integers or FULL[0])
    values = np.nan_to_num(np.asarray(image, np.float64), nan=low, posinf=high, neginf=low)
    scaled = (values - low) * (255 / (high - low or 1))
    return np.rint(scaled.clip(0, 255)).astype(np.uint8)


def _upright(image: Image.Image) -> Image.Image:
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image
    except Exception:
        # a damaged EXIF block says nothing of the pixels; those that are damaged fail again
        return image
