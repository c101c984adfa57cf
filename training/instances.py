"""Data whose objects have masks: a user's in COCO's format, and the generated scenes."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

from blockfront.errors import UsageError
from blockfront.tasks import INSTANCES, TASKS, packed_rows
from blockfront.training.boxed_pictures import BoxedPictures
from blockfront.training.coco import LAYOUT, RESOLUTION, Parts, describe_parts, read_coco
from blockfront.training.datasets import DATASETS, Dataset, Source, Tensors, places_source
from blockfront.training.scene_drawing import CLASSES, SIDE
from blockfront.training.scenes import COUNTS, drawn_once, write_scenes
from blockfront.training.segmentations import InstancePictures
from blockfront.training.stored_pictures import in_memory
from blockfront.training.survey import printable

VERSION = 1
"""Raised when the same seed draws another scene, or another mask."""


def read_instances(root: Path) -> Parts:
    """What a folder in COCO's format holds, masks with it; raises `UsageError` as `read_coco`, and for one without."""
    parts = read_coco(root)

    def masked(pictures: BoxedPictures) -> InstancePictures:
        for one in pictures.pictures:
            if None in one.masks:
                raise UsageError(
                    f"an object of image {printable(one.file)} has no segmentation; take coco:PATH, for boxes alone"
                )
        return InstancePictures(pictures.root, pictures.pictures)

    return parts._replace(train=masked(parts.train), test=masked(parts.test))


def find_masked_objects() -> Path:
    """The folder of the scenes with masks, drawn where they are not here yet: half a minute, 45 MB."""
    return drawn_once(f"scene-instances-{VERSION}", lambda folder: write_scenes(folder, COUNTS, masks=True))


@lru_cache(maxsize=1)
def _split(folder: Path) -> tuple[Tensors, Tensors]:
    found = []
    for pictures in read_instances(folder)[:2]:
        images, labels = in_memory(pictures)
        packed = [packed_rows(rows, masks, SIDE) for rows, masks in labels]
        found.append(Tensors(images, TASKS[INSTANCES].targets(packed, len(CLASSES))))
    return found[0], found[1]


def _open(dataset: Dataset) -> tuple[Tensors, Tensors]:
    return _split(find_masked_objects())


def _describe(ref: str, data_dir: str | None) -> Dataset:
    folder = find_masked_objects()
    return describe_parts(ref, folder, read_instances(folder), SIDE)


DATASETS.add(
    "coco_instances",
    places_source(
        "coco_instances",
        "Your own masks of objects, in COCO's format",
        f"coco_instances:PATH, a folder with {LAYOUT}; one file alone is split",
        INSTANCES,
        RESOLUTION,
        read_instances,
        partial(describe_parts, resolution=RESOLUTION),
    ),
)
DATASETS.add(
    "scene_instances",
    Source(
        name="scene_instances",
        title="The same scenes as of scenes, with a mask of each object",
        how="drawn here once, from a seed",
        open=_open,
        describe=_describe,
        num_classes=len(CLASSES),
        resolution=SIDE,
        train_images=COUNTS["train"],
        test_images=COUNTS["val"],
        task=INSTANCES,
        moves=False,
    ),
)
