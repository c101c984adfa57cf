"""Folders of the user's that change while a process knows them: what is described again is read again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blockfront.training import DATASETS, get_dataset
from blockfront.training.datasets import find_source

SIDE = 8
OBJECT = {"bbox": [0, 0, 8, 8], "segmentation": [[0, 0, 8, 0, 8, 8, 0, 8]], "area": 64, "iscrowd": 0}
XML = (
    "<annotation><filename>{0}.png</filename><size><width>8</width><height>8</height></size><object><name>dog</name>"
    "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>8</xmax><ymax>8</ymax></bndbox></object></annotation>"
)


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def picture(path: Path) -> None:
    save(path, np.zeros((SIDE, SIDE, 3), np.uint8))


def folder(root: Path, train: int) -> None:
    for part, images in (("train", train), ("val", 1)):
        for number in range(images):
            for name in ("cat", "dog"):
                picture(root / part / name / f"{number}.png")


def masks(root: Path, train: int, kind: str = "masks") -> None:
    for part, images in (("training", train), ("validation", 1)):
        for number in range(images):
            picture(root / "images" / part / f"{number}.png")
            save(root / kind / part / f"{number}.png", np.arange(SIDE * SIDE, dtype=np.uint8).reshape(SIDE, SIDE) % 3)


def ade20k(root: Path, train: int) -> None:
    masks(root, train, "annotations")


def coco(root: Path, train: int) -> None:
    (root / "annotations").mkdir(exist_ok=True)
    for part, images in (("train", train), ("val", 1)):
        names = [f"{number}.png" for number in range(images)]
        for name in names:
            picture(root / part / name)
        content = {
            "images": [{"id": name, "file_name": name, "width": SIDE, "height": SIDE} for name in names],
            "annotations": [{"image_id": name, "category_id": 1, **OBJECT} for name in names],
            "categories": [{"id": 1, "name": "dog"}],
        }
        (root / "annotations" / f"instances_{part}.json").write_text(json.dumps(content))


def voc(root: Path, train: int) -> None:
    for path in (root / "Annotations", root / "ImageSets" / "Main"):
        path.mkdir(parents=True, exist_ok=True)
    for part, images in (("train", train), ("val", 1)):
        names = [f"{part}{number}" for number in range(images)]
        for name in names:
            picture(root / "JPEGImages" / f"{name}.png")
            (root / "Annotations" / f"{name}.xml").write_text(XML.format(name))
        (root / "ImageSets" / "Main" / f"{part}.txt").write_text("\n".join(names))


WRITERS: dict[str, Callable[[Path, int], None]] = {
    "folder": folder,
    "masks": masks,
    "ade20k": ade20k,
    "coco": coco,
    "coco_instances": coco,
    "voc": voc,
}


def test_every_kind_of_folder_is_written_here() -> None:
    assert set(WRITERS) == {name for name, source in DATASETS.items() if source.takes == "PATH"}


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_that_changed_is_read_again(tmp_path: Path, name: str) -> None:
    for images in (2, 3):
        WRITERS[name](tmp_path, images)
        dataset = get_dataset(f"{name}:{tmp_path}")
        each = 2 if name == "folder" else 1
        assert dataset.train_images == images * each
        train_images, _ = find_source(dataset.ref).open(dataset)
        assert len(train_images) == dataset.train_images
