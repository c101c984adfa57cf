"""Annotation files in COCO's format: which is for what, and entries that say too little or contradict another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from blockfront.errors import UsageError
from blockfront.training import get_dataset
from blockfront.training.coco import read_coco
from blockfront.training.coco_files import annotation_files, read_file
from tests.training.test_boxed_data import box, coco, picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part in ("train", "val"):
        coco(tmp_path, part, [box(number, [1, 1, 9, 9]) for number in range(3)])
    return tmp_path


@pytest.mark.parametrize(
    ("names", "train", "test", "others"),
    [
        (["instances_train2017", "instances_val2017"], 0, 1, []),
        (["instances_trainval", "instances_test"], 0, 1, []),
        (["carnival_train", "carnival_val"], 0, 1, []),
        (["instances_train", "instances_val", "instances_test"], 0, 1, ["instances_test.json"]),
        (["instances_train", "instances_trainval", "instances_val"], 0, 2, ["instances_trainval.json"]),
        (["Training", "validation"], 0, 1, []),
    ],
)
def test_files_are_told_apart_by_words_of_their_names(tmp_path, names, train, test, others) -> None:
    for name in names:
        (tmp_path / f"{name}.json").write_text("{}")
    found, notes = annotation_files(tmp_path)
    assert [file.stem for file in found] == [names[train], names[test]]
    assert [note.partition(": ")[2] for note in notes] == others


def test_files_may_lie_among_their_pictures(folder: Path) -> None:
    """As Roboflow writes them."""
    for part, named in (("train", "train"), ("val", "valid")):
        (folder / part).rename(folder / named)
        file = folder / "annotations" / f"instances_{part}.json"
        file.rename(folder / named / "_annotations.coco.json")
    (folder / "annotations").rmdir()
    (folder / "test").mkdir()
    (folder / "test" / "_annotations.coco.json").write_text("{}")
    found = read_coco(folder)
    assert [len(part) for part in found[:2]] == [3, 3]
    (note, *_) = found.notes
    beside = "train/_annotations.coco.json and valid/_annotations.coco.json"
    assert note == f"skipped beside {beside}: test/_annotations.coco.json"


def test_pictures_that_no_annotation_names_and_categories_of_one_name_are_told(folder: Path) -> None:
    coco(folder, "val", [box(0, [1, 1, 9, 9])], categories=[{"id": 7, "name": "train"}, {"id": 8, "name": "train"}])
    picture(folder / "val" / "more.png")
    notes = read_coco(folder).notes
    assert "skipped as no annotation names them: 1 picture (val/more.png)" in notes
    assert "categories of one name are classes of their own: train" in notes


def test_pictures_of_both_parts_are_told(folder: Path) -> None:
    for part, colour in (("train", "red"), ("val", "red")):
        Image.new("RGB", (40, 20), colour).save(folder / part / "0.png")
    (note,) = [note for note in get_dataset(f"coco:{folder}").notes if "training images too" in note]
    assert note == "test images that are training images too: 3 of 3, such as val/0.png and train/0.png"


def test_another_picture_is_another_data_set(folder: Path) -> None:
    before = get_dataset(f"coco:{folder}").fingerprint
    picture(folder / "train" / "0.png", mode="L")
    assert get_dataset(f"coco:{folder}").fingerprint != before


def test_numbers_may_be_text_and_booleans(folder: Path) -> None:
    file = folder / "annotations" / "instances_val.json"
    content = json.loads(file.read_text())
    content["images"][0]["width"] = "40.0"
    content["annotations"][0]["iscrowd"] = "0"
    content["annotations"][1]["iscrowd"] = True
    file.write_text(json.dumps(content))
    found = read_file(file)
    assert found.images[0].width == 40
    assert [one.ignored for key in range(2) for one in found.objects[key]] == [False, True]


def _set(kind: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    """Values of the first entry of a kind; None takes one out."""

    def change(content: dict[str, Any]) -> None:
        content[kind][0] |= values
        for name in [name for name, value in values.items() if value is ...]:
            del content[kind][0][name]

    return change


def _append(kind: str, entry: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content[kind].append(entry)


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "no id": (
        _set("images", id=...),
        "image 0 of instances_val.json cannot be used .no id.: it wants an id",
    ),
    "no file": (_set("images", file_name=...), "cannot be used .no file_name."),
    "no width": (_set("images", width=...), "cannot be used .no width."),
    "an unknown width": (_set("images", width=None), "image 0 of instances_val.json cannot be used"),
    "half a pixel": (_set("images", width=40.5), "40.5 is no whole number"),
    "an id that is a list": (_set("images", id=[1]), "image .1. of instances_val.json cannot be used"),
    "an image that is none": (_append("images", 3), "image 3 of instances_val.json cannot be used"),
    "a category without id": (_append("categories", {"name": "x"}), "category 2 of .* cannot be used .no id."),
    "a category of text": (_append("categories", {"id": "x"}), "category x of .* cannot be used"),
    "a category that is none": (_append("categories", "cat"), "category 2 of .* cannot be used"),
    "two names": (_append("categories", {"id": 7, "name": "tram"}), "category 7 is both 'train' and 'tram' in inst"),
    "an id of two": (
        _append("images", {"id": 0, "file_name": "other.png", "width": 40, "height": 20}),
        "image 0 of instances_val.json is both 0.png and other.png; number images anew",
    ),
    "a picture of two": (
        _append("images", {"id": 9, "file_name": "0.png", "width": 40, "height": 20}),
        "instances_val.json lists 1 picture twice, such as 0.png; leave one",
    ),
    "no such image": (_set("annotations", image_id=9), "annotation 0 of .* cannot be used .no image 9.: it wants"),
    "a list of images": (_set("annotations", image_id=[0]), "annotation 0 of .* cannot be used"),
    "part of a category": (_set("annotations", category_id=7.9), "7.9 is no whole number"),
    "shares": (
        lambda content: [one.update(bbox=[0.1, 0.1, 0.4, 0.5]) for one in content["annotations"]],
        "no test image has an object that counts, .*left out: 3 boxes of less than a pixel",
    ),
    "crowds": (
        lambda content: [one.update(iscrowd=1) for one in content["annotations"]],
        "no test image has an object that counts, .*ignored",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_entry_that_cannot_be_used_is_named_in_one_line(folder: Path, name: str) -> None:
    change, why = CHANGES[name]
    file = folder / "annotations" / "instances_val.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(UsageError, match=why) as refused:
        get_dataset(f"coco:{folder}")
    assert "\n" not in str(refused.value)


def test_a_file_nested_too_deep_is_refused(folder: Path) -> None:
    (folder / "annotations" / "instances_val.json").write_text("[" * 100_000)
    with pytest.raises(UsageError, match="cannot be read as JSON"):
        read_coco(folder)
