"""Data whose objects have masks: a user's in COCO's format, and the generated scenes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from blockfront.errors import UsageError
from blockfront.plurals import counted
from blockfront.tasks import INSTANCES, packed_rows
from blockfront.training.boxed_pictures import BoxedPicture, BoxedPictures
from blockfront.training.coco import RESOLUTION, Parts, describe_own, read_coco
from blockfront.training.coco_files import LAYOUT
from blockfront.training.datasets import DATASETS, places_source
from blockfront.training.scene_drawing import SIDE
from blockfront.training.scenes import COUNTS, drawn_once, scene_source, write_scenes
from blockfront.training.segmentations import InstancePictures, is_empty
from blockfront.training.survey import listed, printable

VERSION = 1
"""Raised when the same seed draws another scene, or another mask."""


def read_instances(root: Path) -> Parts:
    """What a folder in COCO's format holds, masks with it; raises `UsageError` as `read_coco`, and for one without.

    An object whose mask holds no pixel is ignored, as nothing could find it, and counted in a note.
    """
    parts = read_coco(root)
    empty: list[str] = []

    def masked(pictures: BoxedPictures) -> InstancePictures:
        return InstancePictures(pictures.root, [_masked(one, empty) for one in pictures.pictures])

    parts = parts._replace(train=masked(parts.train), test=masked(parts.test))
    if empty:
        where = listed(list(dict.fromkeys(empty)))
        told = f"ignored, for a mask without a pixel: {counted(len(empty), 'object')}, of {where}"
        parts = parts._replace(notes=(*parts.notes, told))
    return parts


def _masked(one: BoxedPicture, empty: list[str]) -> BoxedPicture:
    if None in one.masks:
        raise UsageError(
            f"an object of image {printable(one.file)} has no segmentation; take coco:PATH, for boxes alone"
        )
    found = [number for number, mask in enumerate(one.masks, 1) if is_empty(mask, one.height, one.width)]
    if not found:
        return one
    empty.extend([one.file] * len(found))
    rows = one.rows.copy()
    rows[found, 6] = 1
    return replace(one, rows=rows)


def find_masked_objects() -> Path:
    """The folder of the scenes with masks, drawn where they are not here yet: half a minute, 45 MB."""
    return drawn_once(f"scene-instances-{VERSION}", lambda folder: write_scenes(folder, COUNTS, masks=True))


def _packed(label: tuple[Any, Any]) -> Any:
    """Rows with masks in them."""
    return packed_rows(*label, SIDE)


DATASETS.add(
    "coco_instances",
    places_source(
        "coco_instances",
        "Your own masks of objects, in COCO's format",
        f"coco_instances:PATH, a folder with {LAYOUT}; one file alone is split",
        INSTANCES,
        RESOLUTION,
        read_instances,
        describe_own,
    ),
)
DATASETS.add(
    "scene_instances",
    scene_source(
        "scene_instances",
        "The same scenes as of scenes, with a mask of each object",
        INSTANCES,
        find_masked_objects,
        read_instances,
        _packed,
    ),
)
