"""Data sets in PASCAL VOC's format: one XML file a picture, lists of names for the parts."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from blockfront.digest import digest
from blockfront.errors import UsageError
from blockfront.plurals import counted
from blockfront.training.boxed_pictures import (
    AnnotatedObject,
    BoxedPicture,
    BoxedPictures,
    BoxReader,
    check_files,
    unnamed_pictures,
)
from blockfront.training.coco import Parts, boxed_source, split_off
from blockfront.training.datasets import DATASETS, fingerprint
from blockfront.training.scanning import picture_endings
from blockfront.training.survey import listed, printable, text_of

LAYOUT = "Annotations/, JPEGImages/ and ImageSets/Main/ with train.txt and val.txt, or trainval.txt and test.txt"
_PICTURES = "JPEGImages"
_PARTS = ("trainval", "train", "val", "test")
_MALFORMED = (OSError, ElementTree.ParseError, TypeError, ValueError, AttributeError, LookupError, OverflowError)


def read_voc(root: Path) -> Parts:
    """What a folder in PASCAL VOC's format holds; raises `UsageError` for what is missing, or contradicts itself."""
    if not root.is_dir():
        raise UsageError(f"no such folder: {root}; give one with {LAYOUT}")
    for name in ("Annotations", _PICTURES):
        if not (root / name).is_dir():
            raise UsageError(f"{root} has no folder {name}; give one with {LAYOUT}")
    parts, why = _names(root)
    found = {name: _Annotation(file) for part in parts for name, file in part.items()}
    classes = tuple(sorted({kind for one in found.values() for kind, *_ in one.objects}))
    reader = BoxReader()
    notes: list[str] = []
    files = _files(root, found, notes)
    pictures = [[found[name].picture(files[name], classes, reader) for name in part] for part in parts]
    if len(pictures) == 1:
        train, test = split_off(root, pictures[0], notes, why)
    else:
        train, test = (BoxedPictures(root, part) for part in pictures)
    if not classes:
        raise UsageError(f"{root} has annotations of {listed([printable(root.name)])} without any object")
    marks = fingerprint([f"{name} {one.digest}" for name, one in found.items()] + [str(len(part)) for part in parts])
    return Parts(train, test, classes, (*notes, *reader.notes()), marks)


def _names(root: Path) -> tuple[list[dict[str, Path]], str]:
    """Names of the pictures of each part with their annotations: training and testing, or all in one, and then why."""
    annotations = {
        file.stem: file for file in sorted((root / "Annotations").iterdir()) if file.suffix.lower() == ".xml"
    }
    folder = next((one for one in (root / "ImageSets/Main", root / "ImageSets") if list(one.glob("*.txt"))), None)
    lists = {name: folder / f"{name}.txt" for name in _PARTS} if folder else {}
    lists = {name: file for name, file in lists.items() if file.is_file()}
    for pair in (("trainval", "test"), ("train", "val"), ("train", "test")):
        if lists.keys() >= {*pair}:
            return [_listed(lists[name], annotations) for name in pair], ""
    if lists:
        name = next(iter(lists))
        return [_listed(lists[name], annotations)], f"no list of a test part is beside {name}.txt"
    if len(annotations) < 3:
        raise UsageError(f"{root} has {counted(len(annotations), 'annotation')}; give a folder with {LAYOUT}")
    return [annotations], "no list in ImageSets/Main says which are"


def _listed(file: Path, annotations: Mapping[str, Path]) -> dict[str, Path]:
    """The names in a list; raises `UsageError` for one without an annotation."""
    found: dict[str, Path] = {}
    for line in text_of(file).splitlines():
        # Lists of one class have a second column.
        name, _, mark = line.strip().rpartition(" ")
        name = name.strip() if mark in ("-1", "0", "1") and name else line.strip()
        if not name:
            continue
        if name not in annotations:
            name = printable(name)
            raise UsageError(f"{file} names {name}, and Annotations/ has no {name}.xml; add it, or leave the name out")
        found[name] = annotations[name]
    return found


def _files(root: Path, found: Mapping[str, _Annotation], notes: list[str]) -> dict[str, str]:
    """Each annotation's picture, as a path below `root`: that of its own name, as VOC's tools have it, or its filename.

    Raises `UsageError` where there is none, and where two have one.
    """
    there = {file for file in os.listdir(root / _PICTURES) if Path(file).suffix.lower() in picture_endings()}
    own = {Path(file).stem: file for file in sorted(there)}
    files = {
        name: one.file if one.file in there and Path(one.file).stem == name else own.get(name, one.file)
        for name, one in found.items()
    }
    check_files(root, _PICTURES, files.values(), "Annotations/")
    if odd := [name for name, one in found.items() if Path(one.file).name != files[name]]:
        notes.append(f"pictures are those of the annotations' own names, where these say another: {listed(odd)}")
    if twice := [file for file, count in Counter(files.values()).items() if count > 1]:
        raise UsageError(
            f"several annotations name {counted(len(twice), 'picture')}, such as {listed(twice)}; leave one of each"
        )
    files = {name: str(Path(_PICTURES, file)) for name, file in files.items()}
    notes.extend(unnamed_pictures(root, [_PICTURES], files.values()))
    return files


class _Annotation:
    """One XML file; raises `UsageError` naming it for what it lacks."""

    def __init__(self, path: Path) -> None:
        try:
            content = path.read_bytes()
            tree: Any = ElementTree.fromstring(content)  # noqa: S314 (expat bounds what entities expand to)
            self.digest = digest(content, 12)
            self.file = tree.findtext("filename") or f"{path.stem}.jpg"
            self.width, self.height = (int(float(tree.findtext(f"size/{name}"))) for name in ("width", "height"))
            self.objects = [self._object(one) for one in tree.findall("object")]
        except _MALFORMED as error:
            raise UsageError(
                f"annotation {printable(str(path))} cannot be used ({error}): it wants a size, and objects "
                "with a name and a bndbox"
            ) from error

    def _object(self, one: Any) -> tuple[str, float, float, float, float, bool]:
        # Parts of an object have boxes of their own, which are not its own children.
        box = one.find("bndbox")
        left, top, right, bottom = (float(box.findtext(name)) for name in ("xmin", "ymin", "xmax", "ymax"))
        difficult = (one.findtext("difficult") or "0").strip().lower() in ("1", "true")
        if not (name := one.findtext("name").strip()):
            raise ValueError("an object's name is empty")
        # The first pixel is 1, and the last one belongs to the box.
        return name, left - 1, top - 1, right, bottom, difficult

    def picture(self, file: str, classes: tuple[str, ...], reader: BoxReader) -> BoxedPicture:
        objects = [
            AnnotatedObject(classes.index(kind), left, top, right, bottom, (right - left) * (bottom - top), difficult)
            for kind, left, top, right, bottom, difficult in self.objects
        ]
        return reader.picture(file, self.width, self.height, objects)


DATASETS.add(
    "voc",
    boxed_source("voc", "Your own boxes, in PASCAL VOC's format", f"voc:PATH, a folder with {LAYOUT}", read_voc),
)
