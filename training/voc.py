"""Data sets in PASCAL VOC's format: one XML file a picture, lists of names for the parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from blockfront.digest import digest
from blockfront.errors import UsageError, first_line
from blockfront.plurals import counted
from blockfront.training.boxed_pictures import AnnotatedObject, BoxedPicture, BoxedPictures, BoxReader, check_files
from blockfront.training.coco import Parts, boxed_source, split_off
from blockfront.training.datasets import DATASETS, fingerprint
from blockfront.training.survey import listed, printable

LAYOUT = "Annotations/, JPEGImages/ and ImageSets/Main/ with train.txt and val.txt, or trainval.txt and test.txt"


def read_voc(root: Path) -> Parts:
    """What a folder in PASCAL VOC's format holds; raises `UsageError` for what is missing, or contradicts itself."""
    if not root.is_dir():
        raise UsageError(f"no such folder: {root}; give one with {LAYOUT}")
    for name in ("Annotations", "JPEGImages"):
        if not (root / name).is_dir():
            raise UsageError(f"{root} has no folder {name}; give one with {LAYOUT}")
    parts = _names(root)
    found = {name: _Annotation(root / "Annotations" / f"{name}.xml") for part in parts for name in part}
    classes = tuple(sorted({kind for one in found.values() for kind, *_ in one.objects}))
    reader = BoxReader()
    notes: list[str] = []
    pictures: list[list[BoxedPicture]] = []
    for part in parts:
        check_files(root, "JPEGImages", [found[name].file for name in part], "ImageSets")
        pictures.append([found[name].picture(classes, reader) for name in part])
    if len(pictures) == 1:
        train, test = split_off(root, pictures[0], notes)
    else:
        train, test = (BoxedPictures(root, part) for part in pictures)
    if not classes:
        raise UsageError(f"{root} has annotations of {listed([printable(root.name)])} without any object")
    marks = fingerprint([f"{name} {one.digest}" for name, one in found.items()] + [str(len(part)) for part in parts])
    return Parts(train, test, classes, (*notes, *reader.notes()), marks)


def _names(root: Path) -> list[list[str]]:
    """Names of the pictures of each part: training and testing, or all in one."""
    lists = root / "ImageSets" / "Main"
    for train, test in (("trainval", "test"), ("train", "val"), ("train", "test")):
        files = lists / f"{train}.txt", lists / f"{test}.txt"
        if all(file.is_file() for file in files):
            # Lists of one class have a second column.
            return [[line.split()[0] for line in file.read_text().splitlines() if line.strip()] for file in files]
    names = sorted(file.stem for file in (root / "Annotations").glob("*.xml"))
    if len(names) < 3:
        raise UsageError(f"{root} has {counted(len(names), 'annotation')}; give a folder with {LAYOUT}")
    return [names]


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
        except (OSError, ElementTree.ParseError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(
                f"annotation {printable(str(path))} cannot be used ({first_line(error)}): it wants a size, and objects "
                "with a name and a bndbox"
            ) from error

    def _object(self, one: Any) -> tuple[str, float, float, float, float, bool]:
        # Parts of an object have boxes of their own, which are not its own children.
        box = one.find("bndbox")
        left, top, right, bottom = (float(box.findtext(name)) for name in ("xmin", "ymin", "xmax", "ymax"))
        difficult = (one.findtext("difficult") or "0").strip() == "1"
        # The first pixel is 1, and the last one belongs to the box.
        return one.findtext("name").strip(), left - 1, top - 1, right, bottom, difficult

    def picture(self, classes: tuple[str, ...], reader: BoxReader) -> BoxedPicture:
        objects = [
            AnnotatedObject(classes.index(kind), left, top, right, bottom, (right - left) * (bottom - top), difficult)
            for kind, left, top, right, bottom, difficult in self.objects
        ]
        return reader.picture(str(Path("JPEGImages", self.file)), self.width, self.height, objects)


DATASETS.add(
    "voc",
    boxed_source("voc", "Your own boxes, in PASCAL VOC's format", f"voc:PATH, a folder with {LAYOUT}", read_voc),
)
