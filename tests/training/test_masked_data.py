"""Pictures with masks: folders, ADE20K, and the scenes that are generated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from blockfront.design_space import Network
from blockfront.errors import RunError, UsageError
from blockfront.tasks import IGNORED, TASKS
from blockfront.training import Recipe, Tensors, get_dataset, seeded, train
from blockfront.training.datasets import find_source
from blockfront.training.loaders import evaluation_loader, train_loader, views_for
from blockfront.training.masked_pictures import from_one
from blockfront.training.scene_drawing import CLASSES, draw_masked_scene, draw_scene
from blockfront.training.scene_masks import write_masked_scenes

SEGMENTATION = TASKS["segmentation"]
WIDTH, HEIGHT = 12, 6
HALVES = np.repeat([[0, 3]], HEIGHT, 0).repeat(WIDTH // 2, 1).astype(np.uint8)


def save(path: Path, values: np.ndarray, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, **options)


def pair(root: Path, part: str, name: str, mask: np.ndarray = HALVES) -> None:
    save(root / "images" / part / f"{name}.jpg", np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    save(root / "masks" / part / f"{name}.png", mask)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        pair(tmp_path, "train", name)
    mask = HALVES.copy()
    mask[:3] = IGNORED
    pair(tmp_path, "val", "a", mask)
    return tmp_path


def test_classes_are_the_values_of_the_masks_with_their_shares_of_the_pixels(folder: Path) -> None:
    dataset = get_dataset(f"masks:{folder}")
    assert (dataset.task, dataset.num_classes, dataset.train_images, dataset.test_images) == ("segmentation", 4, 2, 1)
    assert [(one.name, one.train, one.test, one.pixels) for one in dataset.classes] == [
        ("0", 2, 1, 0.5),
        ("1", 0, 0, 0.0),
        ("2", 0, 0, 0.0),
        ("3", 2, 1, 0.5),
    ]
    said = "\n".join(dataset.summary())
    assert "images a class (and its share of the pixels): 0: 2 + 1 (50.0%), 1: 0 + 0 (0.0%)" in said
    assert "16.67% of the pixels are ignored" in said
    assert "no training images of 1, 2" in said
    assert (
        "the masks have 2 of the values 0 to 3, and networks an output for each of these: no pixel is of 1, 2" in said
    )


def test_what_has_no_partner_is_named(folder: Path) -> None:
    (folder / "masks" / "train" / "b.png").rename(folder / "masks" / "train" / "c.png")
    save(folder / "cover.png", HALVES)
    pair(folder, "train", "d")
    (folder / "notes.md").write_text("by hand")
    said = "\n".join(get_dataset(f"masks:{folder}").notes)
    assert "skipped because the picture has no mask: 1 (images/train/b.jpg)" in said
    assert "skipped because the mask has no picture: 1 (masks/train/c.png)" in said
    assert "skipped as neither in images/ nor in masks/: 1 (cover.png)" in said
    assert "skipped as no picture: 1 (notes.md)" in said


@pytest.mark.parametrize("ending", ["_mask", "_gt", "-labels", ".seg", "_L"])
def test_masks_may_have_one_ending_more_than_their_pictures(folder: Path, ending: str) -> None:
    """The picture a_1 beside a is no reason to take the mask of the one for that of the other."""
    pair(folder, "train", "a_1")
    expected = get_dataset(f"masks:{folder}")
    for mask in (folder / "masks").rglob("*.png"):
        mask.rename(mask.with_name(f"{mask.stem}{ending}.png"))
    dataset = get_dataset(f"masks:{folder}")
    assert dataset.classes == expected.classes
    assert dataset.notes == (f"masks are called as their pictures, with {ending} at the end", *expected.notes)
    train_images, _ = find_source(dataset.ref).open(dataset)
    assert [Path(name).stem for _, name in train_images.files] == [f"{name}{ending}" for name in ("a", "a_1", "b")]


def test_parts_may_lie_above_and_without_any_a_fifth_is_for_testing(tmp_path: Path) -> None:
    for number in range(10):
        pair(tmp_path, "", f"{number}")
    dataset = get_dataset(f"masks:{tmp_path}")
    assert (dataset.train_images, dataset.test_images) == (8, 2)
    assert any("a fifth of the images is for testing" in note for note in dataset.notes)
    (tmp_path / "train").mkdir()
    for kind in ("images", "masks"):
        (tmp_path / kind).rename(tmp_path / "train" / kind)
    pair(tmp_path / "val", "", "0")
    dataset = get_dataset(f"masks:{tmp_path}")
    assert (dataset.train_images, dataset.test_images) == (10, 1)


def test_palettes_are_not_applied_and_names_come_from_a_file(folder: Path) -> None:
    image = Image.fromarray(HALVES, "L").convert("P")
    image.putdata(HALVES.ravel().tolist())
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    image.save(folder / "masks" / "train" / "a.png")
    (folder / "classes.txt").write_text("road\ncar\ntree\nsky\n")
    dataset = get_dataset(f"masks:{folder}")
    assert [one.name for one in dataset.classes] == ["road", "car", "tree", "sky"]
    assert dataset.classes[3].pixels == 0.5
    assert not any("classes.txt" in note for note in dataset.notes)


def test_classes_of_ade20k_count_from_one_and_zero_is_ignored(tmp_path: Path) -> None:
    assert from_one(np.array([0, 1, 150, 255], np.uint8)).tolist() == [IGNORED, 0, 149, IGNORED]
    for part in ("training", "validation"):
        save(tmp_path / "ADE" / "images" / part / "ADE_1.jpg", np.zeros((2, 4, 3), np.uint8))
        save(tmp_path / "ADE" / "images" / part / "ADE_2.jpg", np.zeros((2, 4, 3), np.uint8))
        for name in ("ADE_1", "ADE_2"):
            save(tmp_path / "ADE" / "annotations" / part / f"{name}.png", np.array([[0, 1, 150, 1]] * 2, np.uint8))
    table = ["Idx\tRatio\tTrain\tVal\tStuff\tName", *(f"{n}\t.1\t1\t1\t0\tname {n}, other" for n in range(1, 151))]
    (tmp_path / "ADE" / "objectInfo150.txt").write_text("\n".join(table))
    dataset = get_dataset(f"ade20k:{tmp_path}")
    assert (dataset.num_classes, dataset.train_images, dataset.test_images) == (150, 2, 2)
    assert [(one.name, one.pixels) for one in dataset.classes if one.pixels] == [
        ("name 1", pytest.approx(2 / 3)),
        ("name 150", pytest.approx(1 / 3)),
    ]
    train_images, _ = find_source(dataset.ref).open(dataset)
    assert train_images[0][1][0].tolist() == [IGNORED, 0, 149, 0]


def _other_size(root: Path) -> None:
    pair(root, "train", "a", HALVES[:, :-1])


def _colour(root: Path) -> None:
    save(root / "masks" / "train" / "a.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))


def _jpeg(root: Path) -> None:
    (root / "masks" / "train" / "a.png").unlink()
    save(root / "masks" / "train" / "a.jpg", HALVES)


def _deep(root: Path) -> None:
    save(root / "masks" / "train" / "a.png", HALVES.astype(np.uint16) * 100)


def _broken(root: Path) -> None:
    (root / "masks" / "train" / "a.png").write_bytes(b"\x89PNG")


def _broken_picture(root: Path) -> None:
    (root / "images" / "train" / "a.jpg").write_bytes(b"\xff\xd8")


def _text(root: Path) -> None:
    (root / "masks" / "train" / "a.png").write_text("a mask")


def _cut(root: Path) -> None:
    path = root / "masks" / "train" / "a.png"
    save(path, np.random.default_rng(0).integers(0, 4, (HEIGHT, WIDTH), np.uint8))
    path.write_bytes(path.read_bytes()[:60])


def _two_endings(root: Path) -> None:
    for mask in list((root / "masks").rglob("*.png")):
        for ending in ("_colour", "_ids"):
            mask.with_name(f"{mask.stem}{ending}.png").write_bytes(mask.read_bytes())
        mask.unlink()


def _twice(root: Path) -> None:
    save(root / "images" / "train" / "a.png", HALVES)


def _no_masks(root: Path) -> None:
    (root / "masks").rename(root / "shapes")


def _no_tests(root: Path) -> None:
    (root / "masks" / "val" / "a.png").unlink()


def _one_class(root: Path) -> None:
    for part, name in (("train", "a"), ("train", "b"), ("val", "a")):
        pair(root, part, name, HALVES // 3 * IGNORED)


def _too_few_names(root: Path) -> None:
    (root / "classes.txt").write_text("road\ncar\n")


def _no_names(root: Path) -> None:
    (root / "classes.txt").write_text("\n")


def _names_twice(root: Path) -> None:
    (root / "classes.txt").write_text("road\ncar\nroad\nsky\n")


def _other_encoding(root: Path) -> None:
    (root / "classes.txt").write_bytes("fond\nblé\n".encode("latin-1"))


def _nothing_to_score(root: Path) -> None:
    pair(root, "val", "a", np.full_like(HALVES, IGNORED))


REFUSED: dict[Callable[[Path], None], str] = {
    _other_size: "mask masks/train/a.png has 11 × 6 pixels, and its picture 12 × 6; make them one size",
    _colour: r"mask .*a.png has RGB pixels; save it as a grey or palette PNG",
    _jpeg: "mask .*a.jpg is a JPEG, which does not keep values",
    _deep: "mask .*a.png has the value 300; classes are from 0 to 254",
    _broken: r"mask .*a.png cannot be read \(.*; remove or replace it",
    _text: r"mask .*masks/train/a.png cannot be read \(its content is of no format that Pillow knows\); remove",
    _cut: r"mask .*masks/train/a.png cannot be read \(.*; remove or replace it",
    _two_endings: r"no picture with a mask; .*or with one ending more in masks/ such as NAME_mask.png",
    _broken_picture: r"image .*a.jpg cannot be read \(.*; remove or replace it",
    _twice: "images/train/a.jpg and images/train/a.png, which go by one name|a.png and images/train/a.jpg, which go",
    _no_masks: "has no picture with a mask; give a folder with images/ and masks/",
    _no_tests: "has no pictures with masks in val/ or test/; add it",
    _one_class: "have the class 0 alone, and at least two are needed; 255 is ignored: if it is a class",
    _too_few_names: r"mask .*masks/train/a.png has the value 3, and classes are 0 to 1",
    _no_names: r"classes\.txt is empty; it wants a name a line",
    _names_twice: r"classes\.txt names road twice",
    _other_encoding: r"classes\.txt is no UTF-8, at byte 7: save it as UTF-8",
    _nothing_to_score: "no test image has a pixel of any class",
}


@pytest.mark.parametrize("change", REFUSED)
def test_a_folder_that_contradicts_itself_is_refused_in_one_line(folder: Path, change: Callable[[Path], None]) -> None:
    change(folder)
    with pytest.raises((UsageError, RunError), match=REFUSED[change]) as refused:
        get_dataset(f"masks:{folder}")
    assert "\n" not in str(refused.value)
    assert "<_io" not in str(refused.value)


@pytest.mark.parametrize("change", [_other_size, _colour, _jpeg, _deep, _broken, _text, _cut])
def test_a_mask_that_changes_after_the_data_were_looked_at_is_named_too(
    folder: Path, change: Callable[[Path], None]
) -> None:
    dataset = get_dataset(f"masks:{folder}")
    pictures, _ = find_source(dataset.ref).open(dataset)
    change(folder)
    loader = train_loader(
        pictures, views_for(torch.nn.Identity(), 16), Recipe(batch_size=2), dataset.targets, task=SEGMENTATION
    )
    with pytest.raises(RunError, match=r"^mask .*masks/train/a\.png ") as refused:
        next(iter(loader))
    assert "<_io" not in str(refused.value)


def test_names_of_classes_begin_after_the_mark_of_their_encoding(folder: Path) -> None:
    (folder / "classes.txt").write_bytes("fond\r\nblé\r\nciel\r\nmer\r\n".encode("utf-8-sig"))
    assert [one.name for one in get_dataset(f"masks:{folder}").classes] == ["fond", "blé", "ciel", "mer"]


def test_a_mirrored_picture_has_a_mirrored_mask(folder: Path) -> None:
    """Class 3 is white and class 0 black, wherever they are after stretching."""
    pixels = np.repeat((HALVES > 0)[..., None] * np.uint8(255), 3, 2)
    for part, name in (("train", "a"), ("train", "b")):
        save(folder / "images" / part / f"{name}.png", pixels)
        (folder / "images" / part / f"{name}.jpg").unlink()
    dataset = get_dataset(f"masks:{folder}")
    pictures, _ = find_source(dataset.ref).open(dataset)
    views = views_for(torch.nn.Identity(), 16)
    images = torch.from_numpy(pixels).permute(2, 0, 1).expand(2, -1, -1, -1)
    memory = Tensors(images, torch.from_numpy(HALVES).expand(2, -1, -1))
    seen = set()
    for source in (pictures, memory):
        torch.manual_seed(0)
        for _ in range(4):
            for batch, masks in train_loader(source, views, Recipe(batch_size=2), dataset.targets, task=SEGMENTATION):
                assert masks.shape == (2, 16, 16)
                middle = (batch.amin() + batch.amax()) / 2
                inner = [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]
                assert torch.equal((batch[:, 0] > middle)[..., inner], (masks == 3)[..., inner])
                seen |= {(source is memory, int(mask[0, 0])) for mask in masks}
    assert seen == {(False, 0), (False, 3), (True, 0), (True, 3)}
    ((_, masks),) = evaluation_loader(pictures, pictures, views, dataset.targets, task=SEGMENTATION)
    assert (masks[:, :, :8] == 0).all()
    assert (masks[:, :, 8:] == 3).all()


def test_scenes_with_masks_are_those_with_boxes() -> None:
    for index in range(40):
        pixels, objects = draw_scene(0, index)
        same, mask = draw_masked_scene(0, index)
        assert (pixels == same).all()
        for kind in range(len(CLASSES)):
            area = sum(one.area for one in objects if one.kind == kind and not one.ignored)
            assert (mask == kind + 1).sum() == area
        assert (mask == IGNORED).sum() == sum(one.area for one in objects if one.ignored)


def test_a_network_learns_pixels_of_a_few_scenes(tmp_path: Path) -> None:
    write_masked_scenes(tmp_path / "few", {"train": 16, "val": 4})
    dataset = get_dataset(f"masks:{tmp_path / 'few'}")
    assert [one.name for one in dataset.classes] == ["background", *CLASSES]
    text = "seg_32_s7/stem_k3_s2_c16_nrelu/er_r1_s2_c24/er_r1_s2_c32/fpn_l2_f16"
    with seeded(0):
        module = Network.parse(text).build()
        trained = train(module, dataset, Recipe(epochs=2, batch_size=8, label_smoothing=0.0), resolution=32)
    assert set(trained.scores) == {"miou", "pixel_accuracy"}
    assert 0 < trained.scores["miou"].value < trained.scores["pixel_accuracy"].value < 1
    assert len(trained.curve) == 2
