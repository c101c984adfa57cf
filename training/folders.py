"""Image folders: one sub-folder a class, under `train/` and `val/`, or one tree that is split here."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from timm.data import create_dataset
from timm.data.readers.img_extensions import get_img_extensions

from blockfront.errors import UsageError
from blockfront.training.datasets import DATASETS, Dataset, Pictures, Source, fingerprint
from blockfront.training.splits import stratified_split

TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("val", "valid", "validation", "eval", "evaluation", "test")
TEST_SHARE = 0.2
DECODED_BEFORE_TRAINING = 1000
"""Images fully decoded before training, evenly spread; the others are checked as they are read."""


@dataclass(frozen=True)
class FolderImages:
    """Some images of a folder as timm's reader gives them: (open file, class index), and their paths."""

    reader: Any
    indices: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        file, label = self.reader[self.indices[index]]
        return file, label

    def filename(self, index: int) -> str:
        """Absolute path of an image."""
        return str(self.reader.samples[self.indices[index]][0])

    @property
    def labels(self) -> list[int]:
        return [self.reader.samples[index][1] for index in self.indices]


def _describe(ref: str, data_dir: str | None) -> Dataset:
    root = Path(ref.partition(":")[2]).expanduser().resolve()
    classes, train, test = _scan(root)
    _check_readable(train, test)
    files = [
        f"{kind} {os.path.relpath(name, root)} {os.path.getsize(name)}"
        for kind, images in (("train", train), ("test", test))
        for name in map(images.filename, range(len(images)))
    ]
    return Dataset(f"folder:{root}", str(root), len(classes), 224, len(train), len(test), fingerprint(files))


def _open(dataset: Dataset) -> tuple[Pictures, Pictures]:
    _, train, test = _scan(Path(str(dataset.path)))
    return train, test


def _scan(root: Path) -> tuple[dict[str, int], FolderImages, FolderImages]:
    if not root.is_dir():
        raise UsageError(f"no such folder of images: {root}")
    train_root = _part(root, TRAIN_NAMES)
    test_root = _part(root, TEST_NAMES)
    if test_root is not None and train_root is None:
        raise UsageError(f"{root} has {test_root.name}/ but no train/; add it, or name a folder of classes")
    classes, everything = _read(train_root or root, None)
    if len(classes) < 2:
        raise UsageError(f"{train_root or root} holds one class only, {next(iter(classes))!r}; give at least 2")
    if test_root is not None:
        strangers = {name for name in _read(test_root, None)[0] if name not in classes}
        if strangers:
            raise UsageError(f"{test_root} has classes that {train_root} lacks: {', '.join(sorted(strangers)[:5])}")
        return classes, everything, _read(test_root, classes)[1]
    few = [name for name, label in classes.items() if Counter(everything.labels)[label] < 2]
    if few:
        raise UsageError(
            f"{root} has no val/ folder, and class {few[0]!r} has too few images to split off a test set; "
            "add images (2 or more a class) or a val/ folder"
        )
    keys = [
        Path(everything.filename(i)).relative_to(train_root or root).as_posix().encode() for i in range(len(everything))
    ]
    train, test = stratified_split(keys, everything.labels, TEST_SHARE)
    return classes, FolderImages(everything.reader, train), FolderImages(everything.reader, test)


def _part(root: Path, names: tuple[str, ...]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


def _read(root: Path, classes: dict[str, int] | None) -> tuple[dict[str, int], FolderImages]:
    for folder in (root, *(path for path in root.iterdir() if path.is_dir())):
        if not os.access(folder, os.R_OK | os.X_OK):
            raise UsageError(f"{folder} cannot be read; check its permissions")
    loose = next((file for file in sorted(root.iterdir()) if file.suffix.lower() in get_img_extensions()), None)
    if loose is not None:
        raise UsageError(f"{loose} lies in no class folder; move it into a folder named after its class")
    try:
        reader = create_dataset("", root=str(root), search_split=False, class_map=classes).reader
    except RuntimeError as error:
        raise UsageError(
            f"no images in {root}; put them in one sub-folder a class ({', '.join(get_img_extensions())})"
        ) from error
    return dict(reader.class_to_idx), FolderImages(reader, tuple(range(len(reader))))


def _check_readable(train: FolderImages, test: FolderImages) -> None:
    names = [images.filename(i) for images in (train, test) for i in range(len(images))]
    empty = next((name for name in names if os.path.getsize(name) == 0), None)
    if empty is not None:
        raise UsageError(f"image {empty} is empty; remove or replace it")
    step = max(1, len(names) // DECODED_BEFORE_TRAINING)
    for name in names[::step]:
        try:
            with Image.open(name) as image:
                image.load()
        except Exception as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise UsageError(f"image {name} cannot be read ({reason}); remove or replace it") from error


DATASETS.add(
    "folder",
    Source(
        name="folder",
        title="Your own images, one sub-folder a class",
        how="folder:PATH, with train/ and val/, or class folders alone (a fifth of each is for testing)",
        open=_open,
        describe=_describe,
        takes="PATH",
    ),
)
