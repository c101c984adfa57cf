"""Masks of objects as data: read from COCO's files in all their forms, and drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_coco_eval.core import mask as coco_masks
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from blockfront.errors import UsageError
from blockfront.tasks import TASKS
from blockfront.tasks.packed_masks import unpack_masks
from blockfront.training import get_dataset
from blockfront.training.datasets import find_source
from blockfront.training.instances import read_instances
from blockfront.training.scene_drawing import draw_scene
from blockfront.training.scenes import write_scenes
from blockfront.training.segmentations import decode_mask, is_empty, run_lengths

SQUARE = np.zeros((6, 8), dtype=bool)
SQUARE[1:4, 2:7] = True
POLYGON = [[2, 1, 7, 1, 7, 4, 2, 4]]


def as_text(mask: np.ndarray) -> dict[str, Any]:
    found = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": found["size"], "counts": found["counts"].decode()}


def test_a_mask_is_read_from_polygons_numbers_and_text() -> None:
    runs = {"size": [6, 8], "counts": [13, 3, 3, 3, 3, 3, 3, 3, 3, 3, 8]}
    for annotated in (POLYGON, runs, as_text(SQUARE)):
        assert np.array_equal(decode_mask(annotated, 6, 8), SQUARE), annotated
    halves = [[2, 1, 4, 1, 4, 4, 2, 4], [4, 1, 7, 1, 7, 4, 4, 4]]
    assert np.array_equal(decode_mask(halves, 6, 8), SQUARE), "an object in two parts"


@given(st.integers(0, 2**31 - 1), st.integers(1, 9), st.integers(1, 9))
def test_run_lengths_are_read_back_and_are_those_of_coco(seed: int, height: int, width: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    runs = run_lengths(mask)
    assert np.array_equal(decode_mask(runs, height, width), mask)
    assert np.array_equal(coco_masks.decode(coco_masks.frPyObjects(runs, height, width)) > 0, mask)


@pytest.mark.parametrize(
    ("annotated", "why"),
    [
        ([], "three corners or more"),
        ([[1, 1, 2, 2]], "three corners or more"),
        ({"size": [8, 6], "counts": [48]}, "its size is"),
        ({"size": [6, 8], "counts": [40]}, "sum to 40"),
        ({"size": [6, 8], "counts": [-4, 52]}, "a run length is negative"),
        ({"size": [6, 8], "counts": "hello"}, "malformed"),
        ([[1, 2, float("nan"), 4, 5, 5]], "not finite, or far outside"),
        ([[1, 2, 3e7, 4, 5, 5]], "not finite, or far outside"),
        ({"size": [6, 8]}, "counts"),
        (3, "not subscriptable"),
    ],
)
def test_what_is_no_mask_says_why(annotated: Any, why: str) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, RuntimeError), match=why):
        decode_mask(annotated, 6, 8)


def test_scenes_are_read_with_the_masks_that_were_drawn(tmp_path: Path) -> None:
    write_scenes(tmp_path / "few", {"train": 3, "val": 2}, masks=True)
    for part, pictures in enumerate(read_instances(tmp_path / "few")[:2]):
        for index in range(len(pictures)):
            pixels, objects = draw_scene(part, index)
            image, (rows, masks) = pictures[index]
            assert np.array_equal(np.asarray(image), pixels)
            assert not masks[0].any()
            assert [mask.sum() for mask in masks[1:]] == [one.area for one in objects]
            for one, row, mask in zip(objects, rows[1:], masks[1:], strict=True):
                left, top, right, bottom = one.box
                assert mask[top:bottom, left:right].sum() == one.area
                assert tuple((row[1:5] * 96).round().astype(int)) == one.box
    plain = tmp_path / "plain"
    write_scenes(plain, {"train": 3, "val": 2})
    with pytest.raises(UsageError, match="has no segmentation; take coco:PATH, for boxes alone"):
        read_instances(plain)


def written(root: Path, segmentation: Any) -> Path:
    """A folder in COCO's format of three pictures, 8 × 6 pixels each, with one object each."""
    (root / "images").mkdir(parents=True)
    annotations = root / "annotations"
    annotations.mkdir()
    for number in range(3):
        Image.new("RGB", (8, 6)).save(root / "images" / f"{number}.png")
    one = {"id": 1, "category_id": 1, "bbox": [2, 1, 5, 3], "area": 15, "segmentation": segmentation}
    for part, numbers in (("train", (0, 1)), ("val", (2,))):
        content = {
            "images": [{"id": number, "file_name": f"{number}.png", "width": 8, "height": 6} for number in numbers],
            "categories": [{"id": 1, "name": "square"}],
            "annotations": [{**one, "image_id": number, "iscrowd": number % 2} for number in numbers],
        }
        (annotations / f"instances_{part}.json").write_text(json.dumps(content))
    return root


def test_a_folder_of_ones_own_gives_rows_and_masks_at_the_inputs_size(tmp_path: Path) -> None:
    dataset = get_dataset(f"coco_instances:{written(tmp_path / 'own', POLYGON)}")
    assert (dataset.task, dataset.num_classes) == ("instances", 1)
    train, _ = find_source(dataset.ref).open(dataset)
    task = TASKS["instances"]
    (found,) = task.targets(task.fitted([train[0][1]], 24), 1)
    expected = SQUARE.repeat(4, axis=0).repeat(3, axis=1)
    assert np.array_equal(unpack_masks(found[1:, 7:])[0].numpy(), expected)
    assert found[1, :7].tolist() == pytest.approx([0, 2 / 8, 1 / 6, 7 / 8, 4 / 6, 15, 0])


def test_a_mask_that_cannot_be_read_is_named_with_its_picture(tmp_path: Path) -> None:
    for number, damaged in enumerate(({"size": [1, 1], "counts": [1]}, {"size": [6, 8], "counts": "hello"})):
        pictures = read_instances(written(tmp_path / str(number), damaged))[0]
        with pytest.raises(UsageError, match=r"object 1 of image .*0\.png has no mask that can be read"):
            pictures[0]


@given(st.lists(st.floats(-3, 12), min_size=6, max_size=12).filter(lambda numbers: len(numbers) % 2 == 0))
def test_whether_a_mask_is_empty_is_known_without_drawing_it(polygon: list[float]) -> None:
    assert is_empty([polygon], 6, 8) == (not decode_mask([polygon], 6, 8).any())


@pytest.mark.parametrize(
    "empty", [[[20, 1, 27, 1, 27, 4, 20, 4]], [[5, 5, 5, 5, 5, 5]], {"size": [6, 8], "counts": [48]}]
)
def test_an_object_whose_mask_holds_no_pixel_is_ignored_and_told(tmp_path: Path, empty: Any) -> None:
    found = read_instances(written(tmp_path, empty))
    assert found.test.pictures[0].rows[1, 6] == 1
    assert "ignored, for a mask without a pixel: 3 objects, of images/0.png, images/1.png, images/2.png" in found.notes
