"""Image folders: the first folder level is the class, below `train/` and `val/` or in one tree that is split here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from blockfront.errors import UsageError
from blockfront.training.datasets import DATASETS, Dataset, Pictures, Source, fingerprint, path_of
from blockfront.training.decoding import Levels
from blockfront.training.duplicates import told_duplicates
from blockfront.training.layout import TEST_NAMES, TRAIN_NAMES, VAL_NAMES, Part, find_layout, natural_key
from blockfront.training.scanning import scan
from blockfront.training.splits import TEST_SHARE, stratified_split
from blockfront.training.survey import aside, count_classes, look, printable


@dataclass(frozen=True)
class FolderImages:
    """Some pictures below a folder: (open file, class index), their paths relative to it, and their class indices."""

    root: Path
    files: list[str]
    labels: list[int]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[BinaryIO, int]:
        return open(self.filename(index), "rb"), self.labels[index]

    def filename(self, index: int) -> str:
        """Absolute path of an image."""
        return str(self.root / self.files[index])

    def sizes(self) -> dict[str, int]:
        """Paths to sizes in bytes; raises `UsageError` for an image without content, or that is not there any more."""
        found = {}
        for file in self.files:
            path = self.root / file
            try:
                found[file] = path.stat().st_size
            except OSError as error:
                raise UsageError(f"image {printable(str(path))} cannot be read ({error.strerror})") from error
            if found[file] == 0:
                raise UsageError(f"image {printable(str(path))} is empty; remove or replace it")
        return found


def _describe(ref: str, data_dir: str | None) -> Dataset:
    root = path_of(ref)
    classes, train, test, notes = _read(root)
    sizes = train.sizes(), test.sizes()
    levels = look(train, test)
    # names and sizes do not say how the values of deep pictures are read
    scaled = [] if levels == Levels() else [levels]
    files = [
        f"{kind} {file} {size}"
        for kind, part in zip(("train", "test"), sizes, strict=True)
        for file, size in part.items()
    ]
    return Dataset(
        f"folder:{root}",
        str(root),
        len(classes),
        224,
        len(train),
        len(test),
        fingerprint([*files, *scaled]),
        classes=count_classes(classes, train.labels, test.labels),
        notes=(*notes, *told_duplicates(root, *sizes)),
        levels=levels,
    )


def _open(dataset: Dataset) -> tuple[Pictures, Pictures]:
    _, train, test, _ = _read(Path(str(dataset.path)))
    return train, test


def _read(root: Path) -> tuple[list[str], FolderImages, FolderImages, list[str]]:
    """Class names, training and test images, and notes on what was found."""
    if not root.exists():
        raise UsageError(f"no such folder of images: {root}")
    if not root.is_dir():
        raise UsageError(f"{root} is a file, no folder of images")
    tree = scan(root)
    if not tree.pictures:
        raise UsageError(f"no images in {root}; put them in one sub-folder a class{aside(tree.notes())}")
    layout = find_layout(tree, printable(str(root)))
    classes = list(layout.train.classes)
    notes = [*layout.notes, *tree.notes()]
    if len(classes) < 2:
        folder = root / layout.train.above
        raise UsageError(f"{folder} holds one class only, {classes[0]!r}; give at least 2{aside(notes)}")
    everything = _images(root, layout.train, classes)
    if layout.test is not None:
        return classes, everything, _images(root, layout.test, classes), notes
    few = next((name for name, files in layout.train.classes.items() if len(files) < 2), None)
    if few is not None:
        raise UsageError(
            f"{root} has no pictures in val/ or test/, and class {few!r} has too few images to split off a test set; "
            "add images (2 or more a class) or a val/ folder"
        )
    keys = [os.fsencode(file.removeprefix(layout.train.base)) for file in everything.files]
    train, test = (
        FolderImages(root, [everything.files[i] for i in part], [everything.labels[i] for i in part])
        for part in stratified_split(keys, everything.labels, TEST_SHARE)
    )
    return classes, train, test, [f"a fifth of each class is for testing, {_why_split(root)}", *notes]


def _images(root: Path, part: Part, classes: list[str]) -> FolderImages:
    index = {name: label for label, name in enumerate(classes)}
    found = sorted(
        ((file, index[name]) for name, files in part.classes.items() for file in files),
        key=lambda pair: natural_key(pair[0]),
    )
    return FolderImages(root, [file for file, _ in found], [label for _, label in found])


def _why_split(root: Path) -> str:
    """Why a part of the training pictures is taken for testing."""
    if root.name.casefold() in TRAIN_NAMES and os.access(root.parent, os.R_OK):
        beside = [name for name in os.listdir(root.parent) if name.casefold() in VAL_NAMES | TEST_NAMES]
        if beside:
            return f"because folder:{root} is {root.name}/ alone; folder:{root.parent} has {min(beside)}/ too"
    return "for there are no pictures in val/ or test/"


DATASETS.add(
    "folder",
    Source(
        name="folder",
        title="Your own images, one sub-folder a class",
        how="folder:PATH, with train/ and val/ or test/, or class folders alone (a fifth of each is for testing)",
        open=_open,
        describe=_describe,
        takes="PATH",
    ),
)
