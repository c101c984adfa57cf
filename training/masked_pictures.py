"""Pictures with a mask each: a second picture whose values are the classes of pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from blockfront.errors import UsageError
from blockfront.tasks import IGNORED
from blockfront.training.decoding import open_picture
from blockfront.training.stored_pictures import open_stored
from blockfront.training.survey import ClassImages, complaint, printable, unreadable

VALUES = 256
MODES = ("1", "L", "P", "I", "I;16", "I;16B")
"""Pillow's modes of pictures whose values are numbers: palettes are not applied."""


@dataclass(frozen=True)
class MaskedPictures:
    """Pictures below a folder with their masks: (image, mask (H, W) of bytes).

    `files` are pairs of a picture and a mask, relative to `root`. Pixels are as they are stored: masks refer to those.
    With `zero_ignored` a mask's 0 is no class and 1 the first one, as ADE20K has it; 255 never is one.
    """

    root: Path
    files: list[tuple[str, str]]
    zero_ignored: bool = False

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Image.Image, NDArray[np.uint8]]:
        image, name = open_stored(self.filename(index)), self.files[index][1]
        mask = read_mask(self.root / name)
        if mask.shape != (image.height, image.width):
            raise UsageError(
                f"mask {printable(name)} has {mask.shape[1]} × {mask.shape[0]} pixels, and its picture {image.width} × "
                f"{image.height}; make them one size"
            )
        return image, from_one(mask) if self.zero_ignored else mask

    def filename(self, index: int) -> str:
        """Absolute path of an image."""
        return str(self.root / self.files[index][0])


def from_one(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A mask whose classes count from 1, and 0 is none, as one whose classes count from 0, and `IGNORED` is none."""
    lower = np.arange(VALUES, dtype=np.uint8) - np.uint8(1)
    lower[[0, IGNORED]] = IGNORED
    found: NDArray[np.uint8] = lower[mask]
    return found


def read_mask(path: Path) -> NDArray[np.uint8]:
    """The values of a mask (H, W); raises `UsageError` naming one that is none."""
    name = printable(str(path))
    try:
        with open_picture(open(path, "rb")) as image:
            mode, lossy, factor = image.mode, image.format == "JPEG", _factor(image)
            values = np.asarray(image)
    except Exception as error:
        raise UsageError(unreadable(f"mask {name}", error)) from error
    if mode not in MODES:
        raise UsageError(
            f"mask {name} has {mode} pixels; save it as a grey or palette PNG of whole numbers, which are classes"
        )
    if lossy:
        raise UsageError(f"mask {name} is a JPEG, which does not keep values; save it as a PNG")
    values = values // factor
    odd = values[(values < 0) | (values >= VALUES)]
    if odd.size:
        raise UsageError(f"mask {name} has the value {int(odd[0])}; classes are from 0 to 254, and 255 is ignored")
    return values.astype(np.uint8)


def _factor(image: Image.Image) -> int:
    """What Pillow multiplies grey values of 2 and 4 bits by, so that the largest one is white."""
    stored = [str(args[0] if isinstance(args, tuple) else args) for *_, args in getattr(image, "tile", [])[:1]]
    return next((factor for bits, factor in (("L;2", 85), ("L;4", 17)) if stored and stored[0].startswith(bits)), 1)


@dataclass(frozen=True)
class ClassPresence:
    """How many pixels of each value some masks have, and how many images have any: (256,) both.

    `first` has the first mask with each value that is there, relative to the pictures' root.
    """

    pixels: NDArray[np.int64]
    images: NDArray[np.int64]
    first: Mapping[int, str]


def count_values(pictures: MaskedPictures) -> ClassPresence:
    """Those of all masks, which are read; raises `UsageError` naming a picture or a mask that cannot be."""
    pixels, images = np.zeros(VALUES, np.int64), np.zeros(VALUES, np.int64)
    first: dict[int, str] = {}
    for index in range(len(pictures)):
        try:
            mask = pictures[index][1]
        except OSError as error:
            raise UsageError(complaint(pictures, index, error)) from error
        counts = np.bincount(mask.ravel(), minlength=VALUES)
        pixels += counts
        images += counts > 0
        for value in np.flatnonzero(counts).tolist():
            first.setdefault(value, pictures.files[index][1])
    return ClassPresence(pixels, images, first)


def classes_of_pixels(names: Sequence[str], train: ClassPresence, test: ClassPresence) -> tuple[ClassImages, ...]:
    """Images a class, and its share of the pixels that are of any."""
    pixels = train.pixels + test.pixels
    total = max(1, int(pixels[: len(names)].sum()))
    return tuple(
        ClassImages(printable(name), int(train.images[kind]), int(test.images[kind]), float(pixels[kind]) / total)
        for kind, name in enumerate(names)
    )
