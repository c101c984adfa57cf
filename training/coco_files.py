"""Annotation files in COCO's format: which of a folder are for what, and what each says, checked entry by entry."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from blockfront.digest import digest
from blockfront.errors import UsageError, first_line
from blockfront.plurals import counted
from blockfront.training.boxed_pictures import AnnotatedObject
from blockfront.training.layout import TEST_NAMES, TRAIN_NAMES, VAL_NAMES
from blockfront.training.survey import listed, printable

LAYOUT = "annotations/instances_train*.json and instances_val*.json with their folders of pictures"
_BOTH = frozenset({"trainval"})
_MALFORMED = (KeyError, TypeError, ValueError, OverflowError)


class ListedImage(NamedTuple):
    """An image of a file: where it is, as the file says, and its width and height in pixels."""

    file: str
    width: int
    height: int


@dataclass(frozen=True)
class AnnotationFile:
    """What one file says: its images by id, the objects of each with categories as kinds, and names of categories.

    `digest` is that of its bytes.
    """

    path: Path
    digest: str
    images: Mapping[Any, ListedImage]
    objects: Mapping[Any, Sequence[AnnotatedObject]]
    categories: Mapping[int, str]


def annotation_files(root: Path) -> tuple[list[Path], list[str]]:
    """The files of a folder for training and for testing, or one for both, and notes on others.

    Raises `UsageError` where there are none, or several for one part.
    """
    if not root.is_dir():
        raise UsageError(f"no such folder: {root}; give one with {LAYOUT}")
    folder = root / "annotations" if (root / "annotations").is_dir() else root
    files = sorted(folder.glob("*.json"))
    # Some tools leave each part's file among its pictures.
    files = [file for file in files if file.name.startswith("instances")] or files or sorted(root.glob("*/*.json"))
    if not files:
        raise UsageError(f"{folder} has no annotations (*.json); give a folder with {LAYOUT}")
    if len(files) == 1:
        return files, []
    train, both, val, test = (_called(root, files, names) for names in (TRAIN_NAMES, _BOTH, VAL_NAMES, TEST_NAMES))
    parts = train or both, val or test
    if [len(part) for part in parts] != [1, 1]:
        raise UsageError(
            f"{folder} has {listed(_names(root, files), 6)}: one for training and one for validation are "
            "wanted, with train and val in their names; move the others elsewhere"
        )
    chosen = [file for part in parts for file in part]
    others = [file for file in files if file not in chosen]
    beside = " and ".join(_names(root, chosen))
    return chosen, [f"skipped beside {beside}: {listed(_names(root, others))}"] if others else []


def _names(root: Path, files: Sequence[Path]) -> list[str]:
    return [file.name if file.parent.name == "annotations" else str(file.relative_to(root)) for file in files]


def _called(root: Path, files: Sequence[Path], names: frozenset[str]) -> list[Path]:
    """The files with one of the names as a word of their own: train in instances_train2017, not in trainval."""
    words = {file: re.split("[^a-z]+", str(file.relative_to(root).with_suffix("")).lower()) for file in files}
    return [file for file in files if not names.isdisjoint(words[file])]


def read_file(path: Path) -> AnnotationFile:
    """What a file says; raises `UsageError` for an entry that lacks something, or contradicts another."""
    content, mark = _load(path)
    categories: dict[int, str] = {}
    for place, one in enumerate(content["categories"]):
        number, name = _entry(path, "category", place, one, _category, "an id, which is a whole number")
        if categories.setdefault(number, name) != name:
            raise UsageError(f"category {number} is both {categories[number]!r} and {name!r} in {path.name}")
    images: dict[Any, ListedImage] = {}
    wanted = "an id, a file_name, and its width and height in pixels"
    for place, one in enumerate(content["images"]):
        key, image = _entry(path, "image", place, one, _image, wanted)
        if key in images and images[key] != image:
            raise UsageError(
                f"image {key} of {path.name} is both {printable(images[key].file)} and {printable(image.file)}; number "
                "images anew where files are merged"
            )
        images[key] = image
    files = Counter(image.file for image in images.values())
    if twice := [file for file, count in files.items() if count > 1]:
        raise UsageError(
            f"{path.name} lists {counted(len(twice), 'picture')} twice, such as {listed(twice)}; leave one"
        )
    objects: dict[Any, list[AnnotatedObject]] = {key: [] for key in images}
    wanted = "an image_id and a category_id that are there, and a bbox of four numbers"
    for place, one in enumerate(content["annotations"]):
        key, annotated = _entry(path, "annotation", place, one, _object, wanted)
        if annotated.kind not in categories or key not in objects:
            what = f"image {key}" if key not in objects else f"category {annotated.kind}"
            called = one.get("id", place)
            raise UsageError(f"annotation {called} of {path.name} cannot be used (no {what}): it wants {wanted}")
        objects[key].append(annotated)
    return AnnotationFile(path, mark, images, objects, categories)


def _load(path: Path) -> tuple[dict[str, Any], str]:
    """The content of a file, and the digest of its bytes, which are read once."""
    try:
        read = path.read_bytes()
        content = json.loads(read)
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{printable(str(path))} cannot be read as JSON: {first_line(error)}") from error
    lists = ("images", "annotations", "categories")
    if not isinstance(content, Mapping) or not all(isinstance(content.get(name), list) for name in lists):
        raise UsageError(f"{printable(str(path))} is not in COCO's format: it needs lists {', '.join(lists)}")
    return dict(content), digest(read)


def _entry(path: Path, kind: str, place: int, one: Any, read: Callable[[Any], Any], wanted: str) -> Any:
    try:
        return read(one)
    except _MALFORMED as error:
        called = one.get("id", place) if isinstance(one, Mapping) else place
        reason = f"no {error.args[0]}" if isinstance(error, KeyError) else str(error)
        raise UsageError(f"{kind} {called} of {path.name} cannot be used ({reason}): it wants {wanted}") from error


def _category(one: Any) -> tuple[int, str]:
    return _whole(one["id"]), str(one.get("name", one["id"]))


def _image(one: Any) -> tuple[Any, ListedImage]:
    hash(one["id"])
    if not isinstance(one["file_name"], str):
        raise ValueError(f"its file_name is {one['file_name']}")
    return one["id"], ListedImage(one["file_name"], _whole(one["width"]), _whole(one["height"]))


def _object(one: Any) -> tuple[Any, AnnotatedObject]:
    left, top, width, height = map(float, one["bbox"])
    area = float(one.get("area") or width * height)
    if not math.isfinite(left + top + width + height + area):
        raise ValueError("it is not finite")
    hash(one["image_id"])
    ignored = bool(_whole(one.get("iscrowd") or 0))
    box = left, top, left + width, top + height
    return one["image_id"], AnnotatedObject(_whole(one["category_id"]), *box, area, ignored, one.get("segmentation"))


def _whole(value: Any) -> int:
    number = float(value)
    if number != int(number):
        raise ValueError(f"{value} is no whole number")
    return int(number)
