"""Boxes read from folders in COCO's and PASCAL VOC's format, and what is made of odd ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from blockfront.errors import RunError, UsageError
from blockfront.tasks import TASKS
from blockfront.training import Recipe, Tensors, get_dataset, train
from blockfront.training.coco import read_coco
from blockfront.training.datasets import find_source
from blockfront.training.loaders import evaluation_loader, train_loader, views_for
from blockfront.training.optimizing import check_recipe
from blockfront.training.scene_drawing import CLASSES, SIDE, draw_scene
from blockfront.training.scenes import write_scenes

DETECTION = TASKS["detection"]
WIDTH, HEIGHT = 40, 20


def picture(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT), mode: str = "RGB", **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size).save(path, **options)


def box(image: int, bbox: list[float], category: int = 7, **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": bbox, **more}


def coco(root: Path, part: str, annotations: list[dict[str, Any]], images: int = 3, **more: Any) -> Path:
    for index in range(images):
        picture(root / part / f"{index}.png")
    content = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT} for i in range(images)],
        "annotations": [{"id": number, **one} for number, one in enumerate(annotations)],
        "categories": [{"id": 90, "name": "toothbrush"}, {"id": 7, "name": "train"}],
        **more,
    }
    file = root / "annotations" / f"instances_{part}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content))
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    coco(
        tmp_path,
        "train2017",
        [
            box(0, [10, 5, 20, 10], area=77.5),
            box(0, [-5, -5, 15, 15], 90),
            box(1, [3, 3, 8, 0]),
            box(1, [0, 0, 40, 20], 90, iscrowd=1),
        ],
    )
    coco(tmp_path, "val2017", [box(0, [10, 5, 20, 10])])
    return tmp_path


def test_categories_with_gaps_become_classes_in_the_order_of_their_ids(folder: Path) -> None:
    dataset = get_dataset(f"coco:{folder}")
    assert (dataset.task, dataset.num_classes, dataset.train_images, dataset.test_images) == ("detection", 2, 3, 3)
    assert [(one.name, one.train, one.test) for one in dataset.classes] == [("train", 1, 1), ("toothbrush", 1, 0)]
    first = read_coco(folder).train.pictures[0].rows
    assert first[0].tolist() == [-1, 0, 0, 1, 1, 800, 0]
    assert first[1].tolist() == [0, 0.25, 0.25, 0.75, 0.75, 77.5, 0]
    assert first[2].tolist() == [1, 0, 0, 0.25, 0.5, 225, 0]


def test_what_is_dropped_cut_ignored_or_empty_is_told(folder: Path) -> None:
    said = "\n".join(get_dataset(f"coco:{folder}").summary())
    assert "left out: 1 box of less than a pixel inside the picture, of train2017/1.png" in said
    assert "cut at the picture's border: 1 box" in said
    assert "ignored, neither to be found nor wrong to find: 1 box" in said
    assert "kept as background: 3 images without a box" in said
    assert "no test images of toothbrush" in said
    assert "categories 7, 90" in said


def test_one_file_without_parts_is_split_by_names(tmp_path: Path) -> None:
    file = coco(tmp_path, "all", [box(index, [0, 0, 9, 9]) for index in range(10)], images=10)
    file.rename(file.with_name("instances.json"))
    (tmp_path / "all").rename(tmp_path / "images")
    dataset = get_dataset(f"coco:{tmp_path}")
    assert (dataset.train_images, dataset.test_images) == (8, 2)
    assert any("a fifth of the images is for testing" in note for note in dataset.notes)


def _no_pictures(root: Path) -> None:
    for path in (root / "train2017").iterdir():
        path.unlink()


def _no_annotations(root: Path) -> None:
    for path in (root / "annotations").iterdir():
        path.unlink()


def _one_missing(root: Path) -> None:
    (root / "val2017" / "2.png").unlink()


def _other_size(root: Path) -> None:
    picture(root / "train2017" / "1.png", (HEIGHT, WIDTH))


def _unknown_category(root: Path) -> None:
    coco(root, "val2017", [box(0, [1, 1, 9, 9], category=8)])


def _unknown_image(root: Path) -> None:
    coco(root, "val2017", [box(9, [1, 1, 9, 9])])


def _no_number(root: Path) -> None:
    coco(root, "val2017", [box(0, [1, 1, 9, float("nan")])])


def _no_object(root: Path) -> None:
    coco(root, "val2017", [])


def _third_file(root: Path) -> None:
    coco(root, "train2014", [])


def _two_names(root: Path) -> None:
    coco(root, "val2017", [], categories=[{"id": 7, "name": "tram"}])


def _no_json(root: Path) -> None:
    (root / "annotations" / "instances_val2017.json").write_text("images: 3")


BROKEN = {
    _no_pictures: "names 3 pictures, such as 0.png, which is in none of the folders train2017, images/train2017",
    _no_annotations: r"has no annotations \(\*.json\)",
    _one_missing: "1 of them are not in .*val2017, such as 2.png",
    _other_size: "image .*1.png has 20 × 40 pixels, and its annotation says 40 × 20",
    _unknown_category: "annotation 0 of instances_val2017.json cannot be used",
    _unknown_image: "annotation 0 of instances_val2017.json cannot be used",
    _no_number: "it is not finite",
    _no_object: "no test image has an object",
    _third_file: "one for training and one for validation are wanted",
    _two_names: "category 7 is 'train' in one file and 'tram' in instances_val2017.json",
    _no_json: "cannot be read as JSON",
}


@pytest.mark.parametrize("change", BROKEN)
def test_a_folder_that_contradicts_itself_is_refused_in_one_line(folder: Path, change: Any) -> None:
    change(folder)
    with pytest.raises((UsageError, RunError), match=BROKEN[change]) as refused:
        get_dataset(f"coco:{folder}")
    assert "\n" not in str(refused.value)


def test_pictures_are_as_they_are_stored_whatever_their_mode(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(folder / "train2017" / "0.png", mode="L", exif=exif)
    picture(folder / "train2017" / "2.png", mode="P")
    dataset = get_dataset(f"coco:{folder}")
    views = views_for(torch.nn.Identity(), 32)
    train_images, _ = find_source(dataset.ref).open(dataset)
    batches = evaluation_loader(train_images, train_images, views, dataset.targets, task=DETECTION, batch_size=3)
    images, targets = next(iter(batches))
    assert images.shape == (3, 3, 32, 32)
    assert targets.shape == (3, 3, 7)
    assert targets[0, 1, 1:5].tolist() == [0.25, 0.25, 0.75, 0.75]


def test_a_mirrored_picture_has_mirrored_boxes(tmp_path: Path) -> None:
    """A white box on black, wherever it is: the mean of the pixels inside the target's box stays white."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    pixels[5:15, 4:12] = 255
    for part in ("train", "val"):
        coco(tmp_path, part, [box(index, [4, 5, 8, 10]) for index in range(3)])
        for index in range(3):
            Image.fromarray(pixels).save(tmp_path / part / f"{index}.png")
    dataset = get_dataset(f"coco:{tmp_path}")
    images, _ = find_source(dataset.ref).open(dataset)
    views = views_for(torch.nn.Identity(), 40)
    memory = Tensors(
        torch.from_numpy(pixels).permute(2, 0, 1).expand(3, -1, -1, -1),
        DETECTION.targets([one.rows for one in images.pictures], 2),
    )
    recipe = Recipe(batch_size=3, augment=1.0)
    seen = set()
    for source in (images, memory):
        torch.manual_seed(0)
        for _ in range(4):
            loader = train_loader(source, views, recipe, dataset.targets, task=DETECTION)
            for batch, targets in loader:
                for image, rows in zip(batch, targets, strict=True):
                    left, top, right, bottom = (rows[1, 1:5] * 40).round().int().tolist()
                    inside = image[:, top + 1 : bottom - 1, left + 1 : right - 1]
                    assert inside.min() > (image.min() + image.max()) / 2
                    seen.add((source is memory, left))
    assert seen == {(False, 4), (False, 28), (True, 4), (True, 28)}


def test_a_recipe_that_moves_pictures_under_their_boxes_is_refused(folder: Path) -> None:
    recipe = Recipe(auto_augment="rand-m9-mstd0.5")
    with pytest.raises(UsageError, match="auto_augment moves what detection says the place of; leave it out"):
        check_recipe(recipe, get_dataset(f"coco:{folder}"))


def test_a_scene_is_the_same_whatever_the_count_and_its_boxes_hold_what_is_drawn() -> None:
    pixels, objects = draw_scene(0, 5)
    again, same = draw_scene(0, 5)
    assert (pixels == again).all()
    assert objects == same
    assert (draw_scene(1, 5)[0] != pixels).any()
    found = [draw_scene(0, index) for index in range(60)]
    counts = [len(objects) for _, objects in found]
    assert min(counts) == 0
    assert max(counts) == 5
    assert {one.kind for _, objects in found for one in objects} == set(range(len(CLASSES)))
    for _, objects in found:
        for one in objects:
            left, top, right, bottom = one.box
            assert 0 <= left < right <= SIDE
            assert 0 <= top < bottom <= SIDE
            assert 0 < one.area <= (right - left) * (bottom - top)


@pytest.fixture
def few_scenes(tmp_path: Path) -> str:
    """A data set of 24 and 6 scenes, by its reference."""
    write_scenes(tmp_path / "few", {"train": 24, "val": 6})
    return f"coco:{tmp_path / 'few'}"


def test_scenes_are_a_folder_in_cocos_format(few_scenes: str) -> None:
    dataset = get_dataset(few_scenes)
    assert (dataset.train_images, dataset.test_images, dataset.num_classes) == (24, 6, 6)
    assert [one.name for one in dataset.classes] == list(CLASSES)


def test_a_detector_learns_boxes_of_a_few_scenes(few_scenes: str) -> None:
    from blockfront.design_space import Network
    from blockfront.training import seeded

    text = "det_96_d6/stem_k3_s2_c16_nrelu/er_r1_s2_c24/er_r1_s2_c32/er_r1_s2_c48/ssdlite_l2_sabcdef.abcdef"
    with seeded(0):
        module = Network.parse(text).build()
        recipe = Recipe(epochs=2, batch_size=8, label_smoothing=0.0)
        trained = train(module, get_dataset(few_scenes), recipe, resolution=96)
    assert set(trained.scores) >= {"ap", "ap50", "ap75", "ap_medium"}
    assert 0 <= trained.scores["ap"].value <= trained.scores["ap50"].value <= 1
    assert len(trained.curve) == 2


def test_a_classifier_is_refused_boxes(few_scenes: str) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    with pytest.raises(UsageError, match="gives no boxes; take one of a space for detection"):
        train(module, get_dataset(few_scenes), Recipe(epochs=1, batch_size=8), resolution=32)
