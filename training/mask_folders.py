"""Folders of pictures and masks: any tree in which both lie in folders of the usual names, and ADE20K's."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from blockfront.errors import UsageError
from blockfront.plurals import counted
from blockfront.tasks import IGNORED, SEGMENTATION
from blockfront.training.datasets import DATASETS, Dataset, Source, fingerprint, places_source
from blockfront.training.layout import TEST_NAMES, TRAIN_NAMES, VAL_NAMES, natural_key
from blockfront.training.masked_pictures import MaskedPictures, classes_of_pixels, count_values
from blockfront.training.scanning import scan
from blockfront.training.splits import TEST_SHARE, stratified_split
from blockfront.training.survey import aside, listed, look, printable, text_of

IMAGE_FOLDERS = frozenset({"image", "images", "img", "imgs", "jpegimages", "pictures"})
MASK_FOLDERS = frozenset({"mask", "masks", "label", "labels", "annotation", "annotations", "segmentationclass"})
CLASSES_FILE = "classes.txt"
LAYOUT = (
    "images/ and masks/ with the same names in both, or with one ending more in masks/ such as NAME_mask.png, below "
    "train/ and val/, or alone"
)
ADE_CLASSES = 150
ADE_NAMES = "objectInfo150.txt"
TABLES = (ADE_NAMES, "sceneCategories.txt")
"""Files of ADE20K beside its pictures."""
_RESOLUTION = 256
_PARTS = (TRAIN_NAMES, VAL_NAMES, TEST_NAMES)


class MaskFolder(NamedTuple):
    """The pictures of a folder for training and for testing, and notes on what was left out."""

    train: MaskedPictures
    test: MaskedPictures
    notes: tuple[str, ...]


def read_masks(root: Path, zero_ignored: bool = False) -> MaskFolder:
    """What a folder of pictures and masks holds; raises `UsageError` where there are no pairs of both.

    A picture and a mask are a pair if their paths are the same but for the folder that says which they are, and for the
    file's format; where none are, if masks have one ending more, such as `_mask`. Folders train, val and test anywhere
    in the path name the part; without any, a fifth is for testing.
    """
    if not root.is_dir():
        raise UsageError(f"no such folder: {root}; give one with {LAYOUT}")
    tree = scan(root)
    pictures, masks, elsewhere = _sort(root, tree.pictures)
    odd = {reason: [path for path in paths if not _is_table(path)] for reason, paths in tree.skipped.items()}
    tree.skipped = {reason: paths for reason, paths in odd.items() if paths}
    notes = tree.notes()
    if elsewhere:
        notes.append(f"skipped as neither in images/ nor in masks/: {len(elsewhere)} ({listed(elsewhere)})")
    if not pictures.keys() & masks.keys() and (ending := _own_ending(pictures, masks)):
        shorter = ((key.removesuffix(ending), key) for key in masks)
        masks = {name if name in pictures else key: masks[key] for name, key in shorter}
        notes.append(f"masks are called as their pictures, with {printable(ending)} at the end")
    for kind, own, other in (("picture has no mask", pictures, masks), ("mask has no picture", masks, pictures)):
        if alone := [own[key] for key in own if key not in other]:
            notes.append(f"skipped because the {kind}: {len(alone)} ({listed(alone)})")
    keys = sorted((key for key in pictures if key in masks), key=natural_key)
    if not keys:
        raise UsageError(f"{root} has no picture with a mask; give a folder with {LAYOUT}{aside(notes)}")
    chosen = _split(root, keys, notes)
    train, test = (MaskedPictures(root, [(pictures[key], masks[key]) for key in part], zero_ignored) for part in chosen)
    return MaskFolder(train, test, tuple(notes))


def _is_table(path: str) -> bool:
    """Whether a file beside pictures is to be there; names of classes are read at the root alone."""
    return path == CLASSES_FILE or Path(path).name in TABLES


def _sort(root: Path, files: Sequence[str]) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Pictures and masks by what their paths share, and the files that are neither."""
    found: tuple[dict[str, str], dict[str, str]] = ({}, {})
    elsewhere = []
    for file in files:
        path = PurePosixPath(file)
        kinds = [
            (place, kind)
            for place, folder in enumerate(path.parts[:-1])
            for kind, names in enumerate((IMAGE_FOLDERS, MASK_FOLDERS))
            if folder.casefold() in names
        ]
        if not kinds:
            elsewhere.append(file)
            continue
        place, kind = kinds[-1]
        key = str(PurePosixPath(*path.parts[:place], *path.parts[place + 1 : -1], path.stem))
        other = found[kind].setdefault(key, file)
        if other != file:
            raise UsageError(
                f"{root} has {printable(other)} and {printable(file)}, which go by one name; remove one of them"
            )
    return *found, elsewhere


def _own_ending(pictures: Mapping[str, str], masks: Mapping[str, str]) -> str:
    """What masks' names have beyond those of pictures, such as `_mask`; empty where it is nothing, or not one thing."""
    endings: Counter[str] = Counter()
    for key in masks:
        shorter = (at for at in range(len(key) - 1, 0, -1) if not key[at].isalnum() and key[:at] in pictures)
        endings.update(key[at:] for at in islice(shorter, 1))
    (ending, most), (_, next_most) = (*endings.most_common(2), ("", 0), ("", 0))[:2]
    return ending if most > next_most else ""


def _split(root: Path, keys: list[str], notes: list[str]) -> tuple[list[str], list[str]]:
    """What is for training and what for testing."""
    parts: list[list[str]] = [[], [], []]
    rest: list[str] = []
    for key in keys:
        folders = [folder.casefold() for folder in PurePosixPath(key).parts[:-1]]
        part = next((number for number, names in enumerate(_PARTS) if names.intersection(folders)), None)
        (rest if part is None else parts[part]).append(key)
    train, val, test = parts
    if not (train or val or test):
        if len(keys) < 3:
            raise UsageError(f"{root} has {counted(len(keys), 'picture')} with masks; three or more are needed")
        at = stratified_split([os.fsencode(key) for key in keys], [0] * len(keys), TEST_SHARE)
        notes.append("a fifth of the images is for testing, for no folder is called train or val")
        return [keys[i] for i in at[0]], [keys[i] for i in at[1]]
    unused = [(rest, "in no train/, val/ or test/"), (test if val else [], "in test/, beside val/")]
    notes += [f"skipped as {where}: {len(keys)} ({listed(keys)})" for keys, where in unused if keys]
    if not train or not (val or test):
        missing = "train/" if not train else "val/ or test/"
        raise UsageError(f"{root} has no pictures with masks in {missing}; add it, or put all in images/ and masks/")
    return train, val or test


def describe_masks(
    ref: str, root: Path, folder: MaskFolder, names: Sequence[str] | None, resolution: int = _RESOLUTION
) -> Dataset:
    """The data set of a folder that was read, whose masks are all looked at; without `names` classes have numbers.

    Raises `UsageError` for masks with fewer than two classes or with more than there are names, and where the test
    images have none.
    """
    notes = list(folder.notes)
    counts = [count_values(part) for part in folder[:2]]
    used = [kind for kind in range(IGNORED) if any(count.pixels[kind] for count in counts)]
    if names is None:
        if len(used) < 2:
            hint = "; 255 is ignored: if it is a class, give it a number below"
            values = f"have the class {used[0]} alone" if used else "have no class"
            raise UsageError(f"the masks of {root} {values}, and at least two are needed{hint}")
        names = [str(kind) for kind in range(used[-1] + 1)]
        if gaps := [name for name in names if int(name) not in used]:
            notes.append(
                f"the masks have {len(used)} of the values 0 to {used[-1]}, and networks an output for each of these: "
                f"no pixel is of {listed(gaps)}; number the classes without gaps to spare them"
            )
    elif used and used[-1] >= len(names):
        (file, *_) = (count.first[used[-1]] for count in counts if used[-1] in count.first)
        first = int(folder.train.zero_ignored)
        raise UsageError(
            f"mask {printable(str(root / file))} has the value {used[-1] + first}, and classes are {first} to "
            f"{len(names) - 1 + first}"
        )
    if not counts[1].pixels[: len(names)].sum():
        raise UsageError(f"{printable(ref)}: no test image has a pixel of any class, so nothing could be scored")
    ignored, every = (sum(int(count.pixels[part].sum()) for count in counts) for part in (IGNORED, slice(None)))
    if ignored:
        notes.append(f"{ignored / every:.2%} of the pixels are ignored: neither learned nor scored")
    levels = look(folder.train, folder.test)
    sizes = [
        f"{kind} {name} {(root / name).stat().st_size}"
        for kind, part in zip(("train", "test"), folder[:2], strict=True)
        for pair in part.files
        for name in pair
    ]
    return Dataset(
        ref,
        str(root),
        len(names),
        resolution,
        len(folder.train),
        len(folder.test),
        fingerprint([*names, *sizes]),
        classes=classes_of_pixels(names, *counts),
        notes=tuple(notes),
        levels=levels,
    )


def _named(root: Path) -> list[str] | None:
    """Names of classes in their order, of a file with one a line; raises `UsageError` for one that is no such list."""
    file = root / CLASSES_FILE
    if not file.is_file():
        return None
    names = [line.strip() for line in text_of(file).splitlines() if line.strip()]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice or not names:
        what = f"names {listed(twice)} twice" if twice else "is empty"
        raise UsageError(f"{file} {what}; it wants a name a line, in the order of the masks' values from 0")
    return names


def _ade_names(root: Path) -> list[str]:
    """The first of each class's names, as ADE20K's table has them; numbers without it.

    Raises `UsageError` for a table of more classes or fewer.
    """
    file = next(iter(sorted(root.rglob(ADE_NAMES))), None)
    rows = [line.split("\t") for line in text_of(file).splitlines()[1:]] if file else []
    names = [row[-1].partition(",")[0].strip() for row in rows if len(row) > 1]
    if file and len(names) != ADE_CLASSES:
        raise UsageError(f"{file} has {counted(len(names), 'class')}, and ADE20K {ADE_CLASSES}; remove it, or mend it")
    return names or [str(number) for number in range(1, ADE_CLASSES + 1)]


def mask_source(
    name: str, title: str, how: str, names: Callable[[Path], Sequence[str] | None], zero_ignored: bool = False
) -> Source:
    """An entry of `DATASETS` for pictures and masks in a folder of the user's, `NAME:PATH`; `names` knows classes."""

    def describe(ref: str, root: Path, folder: MaskFolder) -> Dataset:
        return describe_masks(ref, root, folder, names(root))

    read = partial(read_masks, zero_ignored=zero_ignored)
    return places_source(name, title, how, SEGMENTATION, _RESOLUTION, read, describe)


DATASETS.add(
    "masks", mask_source("masks", "Your own pictures and masks", f"masks:PATH, a folder with {LAYOUT}", _named)
)
DATASETS.add(
    "ade20k",
    mask_source(
        "ade20k",
        "ADE20K's scene parsing, 150 classes",
        "ade20k:PATH, ADEChallengeData2016 with images/ and annotations/",
        _ade_names,
        zero_ignored=True,
    ),
)
