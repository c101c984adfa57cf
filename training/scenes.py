"""Generated scenes with boxes: the data that detectors are trained on where nobody names others.

They are drawn once a machine, as a folder in COCO's format, which is read like any other.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from blockfront.content_store import cache_folder
from blockfront.digest import digest
from blockfront.steps import publish
from blockfront.tasks import DETECTION, TASKS
from blockfront.training.coco import Parts, describe_parts, read_coco
from blockfront.training.datasets import DATASETS, Dataset, Source, Tensors
from blockfront.training.scene_drawing import CLASSES, SIDE, draw_scene
from blockfront.training.segmentations import run_lengths
from blockfront.training.stored_pictures import in_memory

COUNTS = {"train": 2000, "val": 300}
VERSION = 1
"""Raised when the same seed draws another scene."""


def write_scenes(folder: Path, counts: dict[str, int], masks: bool = False) -> None:
    """Draw so many scenes of each part into a new folder in COCO's format, with run lengths of `masks` where wanted."""
    (folder / "annotations").mkdir(parents=True)
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)]
    for part, (name, count) in enumerate(counts.items()):
        (folder / "images" / name).mkdir(parents=True)
        images: list[dict[str, object]] = []
        annotations: list[dict[str, object]] = []
        marks = []
        for index in range(count):
            pixels, objects = draw_scene(part, index)
            file = f"{index:06}.png"
            Image.fromarray(pixels).save(folder / "images" / name / file, compress_level=1)
            marks.append(digest(pixels.tobytes(), 16))
            images.append({"id": index, "file_name": file, "width": SIDE, "height": SIDE})
            for one in objects:
                left, top, right, bottom = one.box
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": index,
                        "category_id": one.kind + 1,
                        "bbox": [left, top, right - left, bottom - top],
                        "area": one.area,
                        "iscrowd": int(one.ignored),
                        **({"segmentation": run_lengths(one.mask)} if masks else {}),
                    }
                )
        # What the pixels are is part of the file, so that another drawing is another data set.
        content = {"info": {"pixels": digest("\n".join(marks))}, "images": images, "annotations": annotations}
        file_of_part = folder / "annotations" / f"instances_{name}.json"
        file_of_part.write_text(json.dumps({**content, "categories": categories}))


def find_scenes() -> Path:
    """The folder of the scenes, drawn where they are not here yet: 10 seconds, 40 MB."""
    return drawn_once(f"scenes-{VERSION}", lambda folder: write_scenes(folder, COUNTS))


def drawn_once(name: str, write: Callable[[Path], None]) -> Path:
    """A data set's folder of this name, which `write` makes where it is not here yet."""
    folder = cache_folder() / "datasets" / name
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as place:
            made = Path(place, name)
            write(made)
            publish(made, folder)
    return folder


def scene_source(
    name: str,
    title: str,
    task: str,
    find: Callable[[], Path],
    read: Callable[[Path], Parts],
    rows: Callable[[Any], Any] = lambda label: label,
) -> Source:
    """An entry of `DATASETS` for scenes in the folder that `find` draws once; `rows`: of targets, of a label."""

    @lru_cache(maxsize=1)
    def split(folder: Path) -> tuple[Tensors, Tensors]:
        found = []
        for pictures in read(folder)[:2]:
            images, labels = in_memory(pictures)
            found.append(Tensors(images, TASKS[task].targets([rows(label) for label in labels], len(CLASSES))))
        return found[0], found[1]

    def describe(ref: str, data_dir: str | None) -> Dataset:
        folder = find()
        return describe_parts(ref, folder, read(folder), SIDE)

    return Source(
        name=name,
        title=title,
        how="drawn here once, from a seed",
        open=lambda dataset: split(find()),
        describe=describe,
        num_classes=len(CLASSES),
        resolution=SIDE,
        train_images=COUNTS["train"],
        test_images=COUNTS["val"],
        task=task,
        moves=False,
    )


DATASETS.add(
    "scenes",
    scene_source(
        "scenes", "Generated scenes of six shapes, with boxes (96 x 96 pixels)", DETECTION, find_scenes, read_coco
    ),
)
