"""Data sets in COCO's format: one JSON file a part beside its pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from blockfront.errors import UsageError
from blockfront.plurals import counted
from blockfront.tasks import DETECTION
from blockfront.training.boxed_pictures import (
    BoxedPicture,
    BoxedPictures,
    BoxReader,
    check_files,
    images_of_classes,
    unnamed_pictures,
)
from blockfront.training.coco_files import LAYOUT, AnnotationFile, annotation_files, read_file
from blockfront.training.datasets import DATASETS, Dataset, Source, fingerprint, places_source
from blockfront.training.duplicates import told_duplicates
from blockfront.training.splits import TEST_SHARE, stratified_split
from blockfront.training.survey import aside, listed, look, printable

RESOLUTION = 320


class Parts(NamedTuple):
    """The pictures of a folder for training and for testing, the names of classes, and notes."""

    train: BoxedPictures
    test: BoxedPictures
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    fingerprint: str


def read_coco(root: Path) -> Parts:
    """What a folder in COCO's format holds; raises `UsageError` for what is missing, or contradicts itself."""
    paths, notes = annotation_files(root)
    files = [read_file(path) for path in paths]
    names = _categories(files)
    places = {category: place for place, category in enumerate(sorted(names))}
    reader = BoxReader()
    folders = [_folder(root, file.path, [image.file for image in file.images.values()]) for file in files]
    parts = [_pictures(folder, file, places, reader) for folder, file in zip(folders, files, strict=True)]
    notes.extend(unnamed_pictures(root, set(folders), (one.file for part in parts for one in part)))
    classes = tuple(names[category] for category in sorted(names))
    if sorted(names) != list(range(1, len(names) + 1)):
        numbers = listed([str(one) for one in sorted(names)], 8)
        notes.append(f"classes are categories {numbers} of the files, in this order")
    if twice := [name for name, count in Counter(classes).items() if count > 1]:
        notes.append(f"categories of one name are classes of their own: {listed(twice)}")
    marks = fingerprint([file.digest for file in files])
    if len(parts) == 2:
        train, test = (BoxedPictures(root, part) for part in parts)
    else:
        train, test = split_off(root, parts[0], notes, f"{paths[0].name} is the only file of annotations")
    return Parts(train, test, classes, (*notes, *reader.notes()), marks)


def _categories(files: Sequence[AnnotationFile]) -> dict[int, str]:
    """Ids, which need not be contiguous, to names."""
    names: dict[int, str] = {}
    for file in files:
        for number, name in file.categories.items():
            if names.setdefault(number, name) != name:
                raise UsageError(f"category {number} is {names[number]!r} in one file and {name!r} in {file.path.name}")
    if not names:
        raise UsageError("the annotations have no categories, so there is nothing to find")
    return names


def _pictures(folder: str, file: AnnotationFile, places: Mapping[int, int], reader: BoxReader) -> list[BoxedPicture]:
    return [
        reader.picture(
            str(Path(folder, image.file)),
            image.width,
            image.height,
            [one._replace(kind=places[one.kind]) for one in file.objects[key]],
        )
        for key, image in file.images.items()
    ]


def _folder(root: Path, file: Path, names: Sequence[str]) -> str:
    """The folder of a file's pictures, below the root; raises `UsageError` when there is none with them all."""
    part = file.stem.removeprefix("instances_").removeprefix("instances")
    own = str(file.parent.relative_to(root))
    possible = [part, f"images/{part}", "images", own, "."]
    if not names:
        raise UsageError(f"{file.name} lists no images")
    folder = next((one for one in possible if (root / one / names[0]).is_file()), None)
    if folder is None:
        looked = ", ".join(possible[:-2])
        raise UsageError(
            f"{file.name} names {counted(len(names), 'picture')}, such as {printable(names[0])}, which is in none of "
            f"the folders {looked} of {root}; a folder of annotations needs its pictures"
        )
    check_files(root, folder, names, file.name)
    return folder


def split_off(
    root: Path, pictures: list[BoxedPicture], notes: list[str], why: str
) -> tuple[BoxedPictures, BoxedPictures]:
    """All but a fifth of the pictures, and that fifth for testing, by the hashes of their names; says so in a note."""
    keys = [picture.file.encode(errors="surrogateescape") for picture in pictures]
    train, test = stratified_split(keys, [0] * len(keys), TEST_SHARE)
    notes.append(f"a fifth of the images is for testing, for {why}")
    return BoxedPictures(root, [pictures[i] for i in train]), BoxedPictures(root, [pictures[i] for i in test])


def describe_parts(ref: str, root: Path, parts: Parts, resolution: int) -> Dataset:
    """The data set of parts that were read, with some pictures looked at.

    Raises `UsageError` where no test image has an object, and for a picture that cannot be read.
    """
    if not any(picture.classes for picture in parts.test.pictures):
        raise UsageError(
            f"{printable(ref)}: no test image has an object that counts, so nothing could be scored{aside(parts.notes)}"
        )
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


def describe_own(ref: str, root: Path, parts: Parts) -> Dataset:
    """The data set of a user's parts: it is another when a picture's size in bytes is, and says what is in both."""
    described = describe_parts(ref, root, parts, RESOLUTION)
    train, test = ({one.file: (root / one.file).stat().st_size for one in part.pictures} for part in parts[:2])
    return replace(
        described,
        fingerprint=fingerprint([parts.fingerprint, *train.items(), *test.items()]),
        notes=(*described.notes, *told_duplicates(root, train, test)),
    )


def boxed_source(name: str, title: str, how: str, read: Callable[[Path], Parts]) -> Source:
    """An entry of `DATASETS` for pictures with boxes in a folder of the user's, which `read` takes: `NAME:PATH`."""
    return places_source(name, title, how, DETECTION, RESOLUTION, read, describe_own)


DATASETS.add(
    "coco",
    boxed_source(
        "coco",
        "Your own boxes, in COCO's format",
        f"coco:PATH, a folder with {LAYOUT}; one file alone is split",
        read_coco,
    ),
)
