"""Folders as people have them: what is read of each, or the line that refuses it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from PIL import Image

from blockfront.errors import UsageError
from blockfront.training import get_dataset
from blockfront.training.scanning import picture_endings

_number = count()


def expanded(pattern: str) -> list[str]:
    """`{a,b}` in a path is one path for each, and `*3` three."""
    braces = re.search(r"\{([^}]*)\}|\*(\d+)", pattern)
    if braces is None:
        return [pattern]
    choices = braces[1].split(",") if braces[1] is not None else [str(i) for i in range(int(braces[2]))]
    return [path for one in choices for path in expanded(pattern[: braces.start()] + one + pattern[braces.end() :])]


def write(root: Path, patterns: str) -> Path:
    """Different pictures of two pixels, by the endings of their names; empty folders and `text` files."""
    for path in (path for pattern in patterns.split() for path in expanded(pattern)):
        file = root / path.replace("~", " ")
        file.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            file.mkdir()
        elif file.suffix.lower() in picture_endings():
            value = next(_number)
            picture = Image.new("RGB", (2, 1), (value % 256, value // 256, 0))
            picture.save(file, Image.registered_extensions()[file.suffix.lower()])
        else:
            file.write_text("no picture")
    return root


READ = {
    "class folders alone": (
        "{cat,dog}/*5.png",
        "cat: 4 + 1, dog: 4 + 1",
        ["a fifth of each class is for testing, for there are no pictures in val/ or test/"],
    ),
    "parts in capitals": ("Train/{cat,dog}/*3.png TEST/{cat,dog}/*2.png", "cat: 3 + 2, dog: 3 + 2", []),
    "parts by their long names": ("training/{a,b}/*2.png Validation/{a,b}/*1.png", "a: 2 + 1, b: 2 + 1", []),
    "validation and test": (
        "train/{a,b}/*2.png val/{a,b}/*1.png test/*3.png",
        "a: 2 + 1, b: 2 + 1",
        ["not used: test/ (pictures: 3), because val/ is for testing"],
    ),
    "pictures in folders of years": ("{cat,dog,fox}/{2023,2024-05}/*5.png", "cat: 8 + 2, dog: 8 + 2, fox: 8 + 2", None),
    "pictures in numbered folders": ("{cat,dog}/session_{1,2}/*5.png", "cat: 8 + 2, dog: 8 + 2", None),
    "equal folders in classes": (
        "{cat,dog}/{indoor,outdoor}/*5.png",
        "cat: 8 + 2, dog: 8 + 2",
        [..., "no classes, but folders within cat, dog: indoor, outdoor; the first level is the class"],
    ),
    "pictures deep down": ("{cat,dog}/a/b/c/d/*5.png", "cat: 4 + 1, dog: 4 + 1", None),
    "equal folders in classes of known parts": (
        "train/{cat,dog}/{left,right}/*1.png val/{cat,dog}/left/*1.png",
        "cat: 2 + 1, dog: 2 + 1",
        [],
    ),
    "the root in a folder": (
        "pets/images/{cat,dog}/*5.png",
        "cat: 4 + 1, dog: 4 + 1",
        [..., "read from pets/images/, which alone holds pictures"],
    ),
    "parts in a folder": ("images/{train,val}/{cat,dog}/*2.png labels/*2.txt", "cat: 2 + 2, dog: 2 + 2", [...]),
    "a folder in each part": ("{train/x,test/y}/{cat,dog}/*2.png", "cat: 2 + 2, dog: 2 + 2", [...]),
    "one class for testing": (
        "train/{cat,dog}/*2.png val/cat/{x,y}/*2.png",
        "cat: 2 + 4, dog: 2 + 0",
        ["no test images of dog"],
    ),
    "a class called train": ("{car,plane,train}/*5.png", "car: 4 + 1, plane: 4 + 1, train: 4 + 1", None),
    "a folder beside the parts": (
        "train/{a,b}/*2.png val/{a,b}/*1.png extra/*2.png cover.png",
        "a: 2 + 1, b: 2 + 1",
        [
            "not used: extra/ (pictures: 2), because it lies beside train/",
            "not used: pictures beside train/: 1 (cover.png)",
        ],
    ),
    "an empty test folder": ("{train,val/a}/ train/{a,b}/*5.png", "a: 4 + 1, b: 4 + 1", [...]),
    "formats that Pillow reads": (
        "a/x.{webp,TIFF,gif,Bmp,avif} b/x.{JPG,jpeg,ppm,tga,PNG}",
        "a: 4 + 1, b: 4 + 1",
        None,
    ),
    "hidden folders and files": (
        "{train,val}/{a,b}/*1.png train/.ipynb_checkpoints/*2.png train/a/._0.png __MACOSX/train/a/0.png",
        "a: 1 + 1, b: 1 + 1",
        ["skipped as hidden: 3 (__MACOSX, train/.ipynb_checkpoints, train/a/._0.png)"],
    ),
    "files that are no pictures": (
        "{train,val}/{a,b}/*1.png train/a/{Thumbs.db,README,a.csv,b.h5}",
        "a: 1 + 1, b: 1 + 1",
        ["skipped as no picture: 4 (train/a/README, train/a/Thumbs.db, train/a/a.csv and 1 more)"],
    ),
    "an empty class": (
        "{train,val}/{a,b}/*1.png train/c/ train/d/notes.txt",
        "a: 1 + 1, b: 1 + 1",
        ["no class, for want of pictures: train/c, train/d", "skipped as no picture: 1 (train/d/notes.txt)"],
    ),
    "classes that differ in case": (
        "{train,val}/{a,A}/*1.png",
        "A: 1 + 1, a: 1 + 1",
        ["'A' and 'a' are different classes, though their names are nearly the same"],
    ),
    "numbers for names": ("{train,val}/{10,9,1,²}/*1.png", "1: 1 + 1, 9: 1 + 1, 10: 1 + 1, ²: 1 + 1", []),
    "spaces and letters of any script": ("{train,val}/{eine~Katze,猫}/*1.png", "eine Katze: 1 + 1, 猫: 1 + 1", []),
}  # fmt: skip


@pytest.mark.parametrize("situation", READ)
def test_what_a_folder_holds_is_read_and_said(tmp_path: Path, situation: str) -> None:
    patterns, classes, notes = READ[situation]
    dataset = get_dataset(f"folder:{write(tmp_path, patterns)}")
    assert dataset.summary()[1] == f"training + test images a class: {classes}"
    if notes is not None:
        assert len(dataset.notes) == len(notes)
        assert all(expected in (..., note) for expected, note in zip(notes, dataset.notes, strict=True))


REFUSED = {
    "parts of unknown names": (
        "{a,b}/{cat,dog,fox}/*2.png",
        "has a/ and b/, which both hold folders cat and dog; if these are the classes, name the two train/ and val/",
    ),
    "parts of unknown names, each in a folder": (
        "seg_a/x/{cat,dog}/*2.png seg_b/y/{cat,dog}/*2.png",
        "which both hold",
    ),
    "parts called almost so": ("my{train,test}set/{cat,dog}/*2.png", "mytestset/ and mytrainset/, which both hold"),
    "numbered parts": ("part_{1,2}/{cat,dog}/*2.png", "part_1/ and part_2/, which both hold folders cat and dog"),
    "parts in each class": ("{cat,dog}/{train,test}/*2.png", "/cat has training and test folders of its own"),
    "two data sets": ("{one,two}/{Train,Val}/{cat,dog}/*2.png", "/one has training and test folders of its own"),
    "two training folders": ("{train,Train,val}/{a,b}/*1.png", "has Train/ and train/; rename or remove"),
    "a test class that training lacks": (
        "train/{a,b}/*2.png val/{a,zebra}/*1.png",
        "/val/ has classes that .*/train/ lacks: zebra$",
    ),
    "a test class in another case": (
        "train/{a,Cat}/*2.png val/{a,cat}/*1.png",
        "lacks: cat; 'cat' and 'Cat' differ in case or in Unicode form alone",
    ),
    "testing without training": ("val/{a,b}/*2.png train/a/notes.txt", "has val/ but no train/ with pictures"),
    "pictures without classes": ("{train,test}/*3.png", r"/train/0\.png lies in no class folder"),
    "one class in folders of years": ("cat/{2023,2024}/*3.png", "holds one class only, 'cat'"),
    "one class with pictures": (
        "cat/{left,right}/*3.png dog/*3.heic",
        r"one class only, 'cat'; give at least 2 \(no class, for want of pictures: dog; skipped as no picture: 3 \(",
    ),
    "no pictures at all": ("a/*2.csv .b/0.png", r"no images in .*no picture: 2 \(a/0\.csv, a/1\.csv\)"),
    "one picture a class": ("{a,b}/0.png", "class 'a' has too few images"),
}


@pytest.mark.parametrize("situation", REFUSED)
def test_a_folder_that_could_be_read_in_two_ways_is_refused(tmp_path: Path, situation: str) -> None:
    patterns, line = REFUSED[situation]
    with pytest.raises(UsageError, match=line) as refused:
        get_dataset(f"folder:{write(tmp_path, patterns)}")
    assert "\n" not in str(refused.value)


def test_links_are_followed_unless_they_lead_nowhere_or_back(tmp_path: Path) -> None:
    write(tmp_path, "elsewhere/*2.png here/{train,val}/a/*2.png")
    for part in ("train", "val"):
        (tmp_path / "here" / part / "b").symlink_to(tmp_path / "elsewhere")
    a = tmp_path / "here" / "train" / "a"
    (a / "2.png").symlink_to("gone.png")
    (a / "3.png").symlink_to("3.png")
    (a / "up").symlink_to("..")
    os.mkfifo(a / "pipe.png")
    dataset = get_dataset(f"folder:{tmp_path / 'here'}")
    assert dataset.notes == (
        "skipped as broken link: 2 (train/a/2.png, train/a/3.png)",
        "skipped as link to a folder above it: 1 (train/a/up)",
        "skipped as neither file nor folder: 1 (train/a/pipe.png)",
        "test images that are training images too: 2 of 4, such as val/b/0.png and train/b/0.png",
    )
    assert dataset.summary()[1].endswith("a: 2 + 2, b: 2 + 2")


def test_a_file_without_an_ending_is_a_picture_if_it_begins_like_one(tmp_path: Path) -> None:
    write(tmp_path, "{train,val}/{a,b}/*2.png")
    (tmp_path / "train" / "a" / "0.png").rename(tmp_path / "train" / "a" / "0")
    assert get_dataset(f"folder:{tmp_path}").summary()[1].endswith("a: 2 + 2, b: 2 + 2")


def test_the_training_folder_alone_says_what_lies_beside_it(tmp_path: Path) -> None:
    write(tmp_path, "{train,val}/{a,b}/*5.png")
    (note,) = get_dataset(f"folder:{tmp_path / 'train'}").notes
    assert note.endswith(f"is train/ alone; folder:{tmp_path} has val/ too")


def test_names_that_are_no_text_are_read_and_escaped(tmp_path: Path) -> None:
    write(tmp_path, "{train,val}/{a,b}/*2.png")
    os.rename(tmp_path / "train" / "a", os.fsencode(tmp_path / "train") + b"/\xff\n")
    os.rename(tmp_path / "val" / "a", os.fsencode(tmp_path / "val") + b"/\xff\n")
    summary = get_dataset(f"folder:{tmp_path}").summary()
    assert summary[1].endswith(r"b: 2 + 2, \udcff\n: 2 + 2")


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "{a,b}/deep/*3.png")
    opened: Callable = os.scandir

    def scandir(folder: Path) -> object:
        if Path(folder).name == "deep":
            raise PermissionError(13, "Permission denied")
        return opened(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(UsageError, match=r"/[ab]/deep cannot be read \(Permission denied\); check its permissions"):
        get_dataset(f"folder:{tmp_path}")


def test_a_picture_above_pillows_limit_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "{train,val}/{a,b}/*2.png")
    Image.new("RGB", (30, 30)).save(tmp_path / "val" / "b" / "0.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UsageError, match=r"val/b/0\.png cannot be read \(Image size \(900 pixels\) exceeds limit"):
        get_dataset(f"folder:{tmp_path}")


def test_of_a_large_folder_some_test_images_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "{train,val}/{a,b}/*10.bmp")
    monkeypatch.setattr("blockfront.training.duplicates.COMPARED", 100)
    for i in range(10):
        (tmp_path / "val" / "a" / f"{i}.bmp").write_bytes((tmp_path / "train" / "a" / f"{i}.bmp").read_bytes())
    (note,) = get_dataset(f"folder:{tmp_path}").notes
    assert note == "test images that are training images too: 5 of 10, such as val/a/0.bmp and train/a/0.bmp"
