"""Pictures with objects by class and box, as readers of annotations find them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from blockfront.errors import UsageError
from blockfront.plurals import counted
from blockfront.training.scanning import picture_endings
from blockfront.training.stored_pictures import open_stored
from blockfront.training.survey import ClassImages, listed, printable

Row = tuple[float, float, float, float, float, float, float]
SMALLEST = 1.0
"""Of a box in pixels, either way: there are some without a height, which no anchor could learn."""


class AnnotatedObject(NamedTuple):
    """An object of a picture: class, corners and area in pixels, whether it is ignored, and its mask as annotated."""

    kind: int
    left: float
    top: float
    right: float
    bottom: float
    area: float
    ignored: bool
    mask: Any = None


@dataclass(frozen=True)
class BoxedPicture:
    """A picture's file, its width and height in pixels, and its objects as rows of a target of detection (n, 7).

    `masks` are those of the objects, as annotated: one fewer than rows, of which the first is the picture itself.
    """

    file: str
    width: int
    height: int
    rows: NDArray[np.float32]
    masks: tuple[Any, ...] = ()

    @property
    def classes(self) -> set[int]:
        """The classes of its objects that count: those that are to be found."""
        return {int(row[0]) for row in self.rows if row[0] >= 0 and not row[6]}


@dataclass(frozen=True)
class BoxedPictures:
    """Pictures below a folder with their objects: (image, rows).

    Pixels are as they are stored: boxes refer to those, whatever EXIF says of how a viewer turns them.
    """

    root: Path
    pictures: list[BoxedPicture]

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[Image.Image, NDArray[np.float32]]:
        one = self.pictures[index]
        image = open_stored(self.filename(index))
        if image.size != (one.width, one.height):
            raise UsageError(
                f"image {printable(one.file)} has {image.size[0]} × {image.size[1]} pixels, and its annotation says "
                f"{one.width} × {one.height}; correct one of the two"
            )
        return image, one.rows

    def filename(self, index: int) -> str:
        """Absolute path of an image."""
        return str(self.root / self.pictures[index].file)


@dataclass
class BoxReader:
    """Turns annotated boxes into rows, and counts what it leaves out."""

    dropped: int = 0
    cut: int = 0
    ignored: int = 0
    empty: int = 0
    examples: list[str] = field(default_factory=list)

    def picture(self, file: str, width: int, height: int, objects: Iterable[AnnotatedObject]) -> BoxedPicture:
        """A picture with its objects.

        Boxes are cut at the picture's border, and left out where less than a pixel remains either way.
        """
        if width < 1 or height < 1:
            raise UsageError(f"the annotation of image {printable(file)} says {width} × {height} pixels; correct it")
        rows: list[Row] = [(-1, 0, 0, 1, 1, width * height, 0)]
        masks = []
        for kind, left, top, right, bottom, area, ignored, mask in objects:
            inside = max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))
            if not (inside[2] - inside[0] >= SMALLEST and inside[3] - inside[1] >= SMALLEST):
                self.dropped += 1
                self.examples.append(file)
                continue
            self.cut += inside != (left, top, right, bottom)
            self.ignored += ignored
            shares = inside[0] / width, inside[1] / height, inside[2] / width, inside[3] / height
            rows.append((kind, *shares, area, float(ignored)))
            masks.append(mask)
        self.empty += len(rows) == 1
        return BoxedPicture(file, width, height, np.array(rows, dtype=np.float32), tuple(masks))

    def notes(self) -> list[str]:
        """Lines that say what was left out, cut or ignored."""
        said = []
        if self.dropped:
            names = listed(list(dict.fromkeys(self.examples)))
            said.append(f"left out: {counted(self.dropped, 'box')} of less than a pixel inside the picture, of {names}")
        if self.cut:
            said.append(f"cut at the picture's border: {counted(self.cut, 'box')}")
        if self.ignored:
            said.append(
                f"ignored, neither to be found nor wrong to find: {counted(self.ignored, 'box')} (crowds, or difficult)"
            )
        if self.empty:
            said.append(f"kept as background: {counted(self.empty, 'image')} without a box")
        return said


def images_of_classes(
    names: Sequence[str], train: Iterable[BoxedPicture], test: Iterable[BoxedPicture]
) -> tuple[ClassImages, ...]:
    """How many images of each part have an object of each class."""
    counts = [Counter(kind for picture in part for kind in picture.classes) for part in (train, test)]
    return tuple(ClassImages(printable(name), *(part[kind] for part in counts)) for kind, name in enumerate(names))


def check_files(root: Path, folder: str, names: Iterable[str], what: str) -> None:
    """Raise `UsageError` when pictures that annotations name are not in a folder below `root`."""
    wanted = set(names)
    there = set(os.listdir(root / folder)) if (root / folder).is_dir() else set()
    missing = sorted(name for name in wanted - there if not (root / folder / name).is_file())
    if missing:
        raise UsageError(
            f"{what} names {counted(len(wanted), 'picture')}, and {len(missing)} of them are not in {root / folder}, "
            f"such as {listed(missing)}"
        )


def unnamed_pictures(root: Path, folders: Iterable[str], named: Iterable[str]) -> list[str]:
    """A note on the pictures that lie in folders below `root` and are none of those named, as `folder/file`."""
    there = {str(Path(folder, file)) for folder in folders for file in os.listdir(root / folder)}
    others = sorted(file for file in there.difference(named) if Path(file).suffix.lower() in picture_endings())
    return (
        [f"skipped as no annotation names them: {counted(len(others), 'picture')} ({listed(others)})"] if others else []
    )
