"""Boxes read from folders in PASCAL VOC's format: which annotations are for what, and which picture is whose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from blockfront.errors import UsageError
from blockfront.training import get_dataset
from blockfront.training.datasets import find_source
from blockfront.training.voc import read_voc
from tests.training.test_boxed_data import picture

XML = """<annotation><filename>{name}.png</filename><size><width>40</width><height>20</height></size>
<object><name>dog</name><difficult>{difficult}</difficult>
<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>3</ymax></bndbox></part>
<bndbox><xmin>11.0</xmin><ymin>6</ymin><xmax>30</xmax><ymax>15</ymax></bndbox></object></annotation>"""


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    for number, name in enumerate(("a", "b", "c")):
        picture(tmp_path / "JPEGImages" / f"{name}.png")
        (tmp_path / "Annotations" / f"{name}.xml").write_text(XML.format(name=name, difficult=int(number == 1)))
    (tmp_path / "ImageSets" / "Main" / "train.txt").write_text("a\nb\n")
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("c 1\n")
    return tmp_path


def test_boxes_of_voc_count_from_one_and_end_inside(voc: Path) -> None:
    dataset = get_dataset(f"voc:{voc}")
    assert (dataset.num_classes, dataset.train_images, dataset.test_images) == (1, 2, 1)
    train_images, _ = find_source(dataset.ref).open(dataset)
    rows = [one.rows.tolist() for one in train_images.pictures]
    assert rows[0][1] == [0, 0.25, 0.25, 0.75, 0.75, 200, 0]
    assert rows[1][1][6] == 1


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("Annotations/a.xml", "<annotation>", "annotation .*a.xml cannot be used"),
        ("Annotations/a.xml", "<annotation></annotation>", "annotation .*a.xml cannot be used"),
        ("ImageSets/Main/val.txt", "d\n", "val.txt names d, and Annotations/ has no d.xml"),
    ],
)
def test_a_broken_file_of_voc_is_named(voc: Path, file: str, content: str, reason: str) -> None:
    (voc / file).write_text(content)
    with pytest.raises(UsageError, match=reason):
        get_dataset(f"voc:{voc}")


def _annotation(root: Path, name: str, called: str | None = None, ending: str = "xml") -> None:
    (root / "Annotations" / f"{name}.{ending}").write_text(XML.format(name=called or name, difficult=0))


def _lists(root: Path, **names: str) -> None:
    for file in (root / "ImageSets" / "Main").iterdir():
        file.unlink()
    for name, content in names.items():
        (root / "ImageSets" / "Main" / f"{name}.txt").write_text(content)


def _spaces(root: Path) -> None:
    picture(root / "JPEGImages" / "my own.png")
    _annotation(root, "my own")
    _lists(root, train="a\nb 1\n", val="my own -1\n")


def _marked(root: Path) -> None:
    (root / "ImageSets" / "Main" / "train.txt").write_bytes(b"\xef\xbb\xbfa\r\nb\r\n")


def _above(root: Path) -> None:
    for file in (root / "ImageSets" / "Main").iterdir():
        file.rename(root / "ImageSets" / file.name)


def _capitals(root: Path) -> None:
    (root / "Annotations" / "c.xml").rename(root / "Annotations" / "c.XML")


@pytest.mark.parametrize("change", [_spaces, _marked, _above, _capitals])
def test_lists_name_annotations_wherever_they_lie_and_however_they_are_written(voc: Path, change) -> None:
    change(voc)
    found = read_voc(voc)
    assert (len(found.train), len(found.test)) == (2, 1)
    assert found.notes[0] == (_UNNAMED if change is _spaces else _IGNORED)


_IGNORED = "ignored, neither to be found nor wrong to find: 1 box (crowds, or difficult)"
_UNNAMED = "skipped as no annotation names them: 1 picture (JPEGImages/c.png)"


@pytest.mark.parametrize("lists", [{}, {"trainval": "a\nb\nc\n"}])
def test_without_a_list_for_testing_a_fifth_is_split_off_for_a_true_reason(voc: Path, lists) -> None:
    _lists(voc, **lists)
    (note, *_) = [note for note in read_voc(voc).notes if "a fifth" in note]
    why = "no list of a test part is beside trainval.txt" if lists else "no list in ImageSets/Main says which are"
    assert note == f"a fifth of the images is for testing, for {why}"


def test_a_picture_is_that_of_the_annotations_own_name(voc: Path) -> None:
    for name in "abc":
        _annotation(voc, name, "a")
    found = read_voc(voc)
    assert [one.file for one in found.train.pictures] == ["JPEGImages/a.png", "JPEGImages/b.png"]
    assert "pictures are those of the annotations' own names, where these say another: b, c" in found.notes


def _one_picture(root: Path) -> None:
    for name in "bc":
        _annotation(root, name, "a")
        (root / "JPEGImages" / f"{name}.png").unlink()


def _latin(root: Path) -> None:
    (root / "ImageSets" / "Main" / "val.txt").write_bytes("café\n".encode("latin-1"))


def _no_name(root: Path) -> None:
    file = root / "Annotations" / "a.xml"
    file.write_text(file.read_text().replace("dog", " "))


def _encoding(root: Path) -> None:
    (root / "Annotations" / "a.xml").write_text('<?xml version="1.0" encoding="nonsense"?><annotation/>')


def _infinite(root: Path) -> None:
    file = root / "Annotations" / "a.xml"
    file.write_text(file.read_text().replace("<width>40", "<width>inf"))


def _all_difficult(root: Path) -> None:
    file = root / "Annotations" / "c.xml"
    file.write_text(file.read_text().replace("<difficult>0", "<difficult>True"))


def _no_picture(root: Path) -> None:
    _lists(root)
    (root / "JPEGImages" / "a.png").unlink()


BROKEN: dict[Callable[[Path], None], str] = {
    _one_picture: "several annotations name 1 picture, such as a.png; leave one of each",
    _latin: "val.txt is no UTF-8, at byte 3",
    _no_name: "a.xml cannot be used .an object's name is empty.",
    _encoding: "a.xml cannot be used",
    _infinite: "a.xml cannot be used",
    _all_difficult: "no test image has an object that counts, so nothing could be scored .ignored",
    _no_picture: "Annotations/ names 3 pictures, and 1 of them are not in .*JPEGImages, such as a.png",
}


@pytest.mark.parametrize("change", BROKEN)
def test_what_contradicts_itself_is_refused_in_one_line(voc: Path, change: Callable[[Path], None]) -> None:
    change(voc)
    with pytest.raises(UsageError, match=BROKEN[change]) as refused:
        get_dataset(f"voc:{voc}")
    assert "\n" not in str(refused.value)
