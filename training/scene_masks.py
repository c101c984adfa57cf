"""Generated scenes with masks: the data that pixels are told apart on where nobody names others."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from blockfront.tasks import SEGMENTATION
from blockfront.training.datasets import DATASETS, Dataset, Source, Tensors
from blockfront.training.mask_folders import CLASSES_FILE, describe_masks, read_masks
from blockfront.training.scene_drawing import CLASSES, draw_masked_scene
from blockfront.training.scenes import COUNTS, drawn_once
from blockfront.training.stored_pictures import in_memory

NAMES = ("background", *CLASSES)
RESOLUTION = 64
"""At which networks of every family tell classes apart after minutes; scenes are drawn at 96 pixels."""
VERSION = 1
"""Raised when the same seed draws another scene."""


def write_masked_scenes(folder: Path, counts: dict[str, int]) -> None:
    """Draw so many scenes of each part into a new folder, as pictures and masks."""
    folder.mkdir()
    (folder / CLASSES_FILE).write_text("\n".join(NAMES))
    for part, (name, count) in enumerate(counts.items()):
        for kind in ("images", "masks"):
            (folder / kind / name).mkdir(parents=True)
        for index in range(count):
            pixels, mask = draw_masked_scene(part, index)
            for kind, values in (("images", pixels), ("masks", mask)):
                Image.fromarray(values).save(folder / kind / name / f"{index:06}.png", compress_level=1)


def find_masked_scenes() -> Path:
    """The folder of the scenes, drawn where they are not here yet: half a minute, 45 MB."""
    return drawn_once(f"scene-masks-{VERSION}", lambda folder: write_masked_scenes(folder, COUNTS))


@lru_cache(maxsize=1)
def _split(folder: Path) -> tuple[Tensors, Tensors]:
    found = []
    for pictures in read_masks(folder)[:2]:
        images, masks = in_memory(pictures)
        found.append(Tensors(images, torch.from_numpy(np.stack(masks))))
    return found[0], found[1]


def _open(dataset: Dataset) -> tuple[Tensors, Tensors]:
    return _split(find_masked_scenes())


def _describe(ref: str, data_dir: str | None) -> Dataset:
    folder = find_masked_scenes()
    return describe_masks(ref, folder, read_masks(folder), NAMES, RESOLUTION)


DATASETS.add(
    "scene_masks",
    Source(
        name="scene_masks",
        title="The same scenes, with a class for each pixel",
        how="drawn here once, from a seed",
        open=_open,
        describe=_describe,
        num_classes=len(NAMES),
        resolution=RESOLUTION,
        train_images=COUNTS["train"],
        test_images=COUNTS["val"],
        task=SEGMENTATION,
        moves=False,
    ),
)
