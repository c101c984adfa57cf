"""Data sets in COCO's format: one JSON file a part beside its pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from blockfront.digest import digest
from blockfront.errors import UsageError, first_line
from blockfront.plurals import counted
from blockfront.tasks import DETECTION
from blockfront.training.boxed_pictures import (
    AnnotatedObject,
    BoxedPicture,
    BoxedPictures,
    BoxReader,
    check_files,
    images_of_classes,
)
from blockfront.training.datasets import DATASETS, Dataset, Source, fingerprint, places_source
from blockfront.training.splits import TEST_SHARE, stratified_split
from blockfront.training.survey import listed, look, printable

RESOLUTION = 320
LAYOUT = "annotations/instances_train*.json and instances_val*.json with their folders of pictures"


class Parts(NamedTuple):
    """The pictures of a folder for training and for testing, the names of classes, and notes."""

    train: BoxedPictures
    test: BoxedPictures
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    fingerprint: str


def read_coco(root: Path) -> Parts:
    """What a folder in COCO's format holds; raises `UsageError` for what is missing, or contradicts itself."""
    found = {file: _load(file) for file in _annotation_files(root)}
    names = _categories(found)
    places = {category: place for place, category in enumerate(sorted(names))}
    reader = BoxReader()
    parts = {file: _pictures(root, file, content, places, reader) for file, content in found.items()}
    classes = tuple(names[category] for category in sorted(names))
    notes = [f"classes are categories {listed([str(one) for one in sorted(names)], 8)} of the files, in this order"]
    if sorted(names) == list(range(1, len(names) + 1)):
        notes = []
    marks = fingerprint([digest(file.read_bytes()) for file in found])
    train, test = _split(root, parts, notes)
    return Parts(train, test, classes, (*notes, *reader.notes()), marks)


def _annotation_files(root: Path) -> list[Path]:
    if not root.is_dir():
        raise UsageError(f"no such folder: {root}; give one with {LAYOUT}")
    folder = root / "annotations" if (root / "annotations").is_dir() else root
    files = sorted(folder.glob("*.json"))
    files = [file for file in files if file.name.startswith("instances")] or files
    if not files:
        raise UsageError(f"{folder} has no annotations (*.json); give a folder with {LAYOUT}")
    if len(files) > 1:
        chosen = [[file for file in files if word in file.stem.lower()] for word in ("train", "val")]
        chosen[1] = chosen[1] or [file for file in files if "test" in file.stem.lower()]
        if [len(one) for one in chosen] != [1, 1]:
            raise UsageError(
                f"{folder} has {listed([file.name for file in files], 6)}: one for training and one for validation are "
                "wanted, with train and val in their names; move the others elsewhere"
            )
        files = [chosen[0][0], chosen[1][0]]
    return files


def _load(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{printable(str(file))} cannot be read as JSON: {first_line(error)}") from error
    lists = ("images", "annotations", "categories")
    if not isinstance(content, Mapping) or not all(isinstance(content.get(name), list) for name in lists):
        raise UsageError(f"{printable(str(file))} is not in COCO's format: it needs lists {', '.join(lists)}")
    return dict(content)


def _categories(found: Mapping[Path, dict[str, Any]]) -> dict[int, str]:
    """Ids, which need not be contiguous, to names."""
    names: dict[int, str] = {}
    for file, content in found.items():
        for category in content["categories"]:
            number, name = int(category["id"]), str(category.get("name", category["id"]))
            if names.setdefault(number, name) != name:
                raise UsageError(f"category {number} is {names[number]!r} in one file and {name!r} in {file.name}")
    if not names:
        raise UsageError("the annotations have no categories, so there is nothing to find")
    return names


def _pictures(
    root: Path, file: Path, content: dict[str, Any], places: Mapping[int, int], reader: BoxReader
) -> list[BoxedPicture]:
    images = {image["id"]: image for image in content["images"]}
    objects: dict[Any, list[AnnotatedObject]] = {key: [] for key in images}
    for number, one in enumerate(content["annotations"]):
        try:
            left, top, width, height = map(float, one["bbox"])
            kind = places[int(one["category_id"])]
            ignored = bool(one.get("iscrowd", 0))
            area = float(one.get("area") or width * height)
            if not math.isfinite(left + top + width + height + area):
                raise ValueError("it is not finite")
            box = left, top, left + width, top + height
            objects[one["image_id"]].append(AnnotatedObject(kind, *box, area, ignored, one.get("segmentation")))
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"annotation {one.get('id', number) if isinstance(one, Mapping) else number} of {file.name} cannot be "
                f"used ({first_line(error)}): it wants an image_id and a category_id that are there, and a bbox of "
                "four numbers"
            ) from error
    folder = _folder(root, file, [str(image["file_name"]) for image in images.values()])
    return [
        reader.picture(str(Path(folder, image["file_name"])), int(image["width"]), int(image["height"]), objects[key])
        for key, image in images.items()
    ]


def _folder(root: Path, file: Path, names: Sequence[str]) -> str:
    """The folder of a file's pictures, below the root; raises `UsageError` when there is none with them all."""
    part = file.stem.removeprefix("instances_").removeprefix("instances")
    possible = [part, f"images/{part}", "images", "."]
    if not names:
        raise UsageError(f"{file.name} lists no images")
    folder = next((one for one in possible if (root / one / names[0]).is_file()), None)
    if folder is None:
        looked = ", ".join(possible[:-1])
        raise UsageError(
            f"{file.name} names {counted(len(names), 'picture')}, such as {printable(names[0])}, which is in none of "
            f"the folders {looked} of {root}; a folder of annotations needs its pictures"
        )
    check_files(root, folder, names, file.name)
    return folder


def _split(
    root: Path, parts: Mapping[Path, list[BoxedPicture]], notes: list[str]
) -> tuple[BoxedPictures, BoxedPictures]:
    together = list(parts.values())
    if len(together) == 2:
        return BoxedPictures(root, together[0]), BoxedPictures(root, together[1])
    (pictures,) = together
    return split_off(root, pictures, notes)


def split_off(root: Path, pictures: list[BoxedPicture], notes: list[str]) -> tuple[BoxedPictures, BoxedPictures]:
    """All but a fifth of the pictures, and that fifth for testing, by the hashes of their names; says so in a note."""
    keys = [picture.file.encode(errors="surrogateescape") for picture in pictures]
    train, test = stratified_split(keys, [0] * len(keys), TEST_SHARE)
    notes.append("a fifth of the images is for testing, for the annotations name no part of their own")
    return BoxedPictures(root, [pictures[i] for i in train]), BoxedPictures(root, [pictures[i] for i in test])


def describe_parts(ref: str, root: Path, parts: Parts, resolution: int) -> Dataset:
    """The data set of parts that were read, with some pictures looked at.

    Raises `UsageError` where no test image has an object, and for a picture that cannot be read.
    """
    if not any(picture.classes for picture in parts.test.pictures):
        raise UsageError(f"{printable(ref)}: no test image has an object, so nothing could be scored")
    levels = look(parts.train, parts.test)
    train, test = parts.train.pictures, parts.test.pictures
    return Dataset(
        ref,
        str(root),
        len(parts.classes),
        resolution,
        len(train),
        len(test),
        parts.fingerprint,
        classes=images_of_classes(parts.classes, train, test),
        notes=parts.notes,
        levels=levels,
    )


def boxed_source(name: str, title: str, how: str, read: Callable[[Path], Parts]) -> Source:
    """An entry of `DATASETS` for pictures with boxes in a folder of the user's, which `read` takes: `NAME:PATH`."""
    return places_source(name, title, how, DETECTION, RESOLUTION, read, partial(describe_parts, resolution=RESOLUTION))


DATASETS.add(
    "coco",
    boxed_source(
        "coco",
        "Your own boxes, in COCO's format",
        f"coco:PATH, a folder with {LAYOUT}; one file alone is split",
        read_coco,
    ),
)
