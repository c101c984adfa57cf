from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from blockfront.training import Recipe, get_dataset, train
from blockfront.training.decoding import Levels, find_levels, to_rgb


def stored(image: Image.Image, kind: str = "PNG", **options: object) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file


def first_row(picture: object, levels: Levels | None = None) -> list[tuple[int, ...]]:
    image = to_rgb(picture, levels or Levels())
    assert image.mode == "RGB"
    return [tuple(pixel) for pixel in np.asarray(image)[0]]


def palette_with_transparency() -> Image.Image:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    image.info["transparency"] = 1
    return image


def rgba(*pixels: tuple[int, int, int, int]) -> Image.Image:
    return Image.fromarray(np.array([pixels], np.uint8))


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (stored(rgba((9, 8, 7, 255), (9, 8, 7, 0), (0, 0, 0, 128))), [(9, 8, 7), (255,) * 3, (127,) * 3]),
        (stored(Image.fromarray(np.array([[[50, 255], [50, 0]]], np.uint8), "LA")), [(50,) * 3, (255,) * 3]),
        (stored(palette_with_transparency()), [(10, 20, 30), (255,) * 3]),
        (stored(Image.new("CMYK", (1, 1), (0, 255, 255, 0)), "TIFF"), [(255, 0, 0)]),
        (stored(Image.new("1", (1, 1), 1)), [(255,) * 3]),
        (
            stored(Image.new("RGB", (1, 1), "red"), "GIF", save_all=True, append_images=[Image.new("RGB", (1, 1))]),
            [(255, 0, 0)],
        ),
        (
            stored(Image.new("RGB", (1, 1), "red"), "TIFF", save_all=True, append_images=[Image.new("RGB", (1, 1))]),
            [(255, 0, 0)],
        ),
        (np.array([[[1, 2, 3]]], np.uint8), [(1, 2, 3)]),
    ],
    ids=["RGBA", "LA", "palette", "CMYK", "bilevel", "animated", "pages", "array"],
)
def test_a_picture_of_any_mode_is_its_first_frame_on_white(
    picture: io.BytesIO | np.ndarray, expected: list[tuple[int, ...]]
) -> None:
    assert first_row(picture) == expected


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_held_in_any_way_gives_an_upright_picture(orientation: int) -> None:
    upright = np.arange(6, dtype=np.uint8).reshape(2, 3)
    # Exif 2.32, 4.6.4.A: where the stored rows and columns begin, seen upright
    as_stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.T, 6: np.rot90(upright), 7: np.rot90(upright.T, 2), 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = stored(Image.fromarray(np.ascontiguousarray(as_stored)), exif=exif)
    assert np.array_equal(np.asarray(to_rgb(picture, Levels()))[:, :, 0], upright)


def test_a_damaged_exif_block_leaves_the_picture_as_it_is() -> None:
    assert first_row(stored(Image.new("RGB", (1, 1), "red"), exif=b"Exif\x00\x00nonsense")) == [(255, 0, 0)]


@pytest.mark.parametrize(
    ("values", "kind", "levels"),
    [
        ([0, 257, 65535], "uint16", (0, 65535)),
        ([0, 16, 4095], "uint16", (0, 4095)),
        ([3, 200], "uint16", (0, 255)),
        ([0, 70_000], "int32", (0, 70_000)),
        ([-1000, 0, 3000], "int32", (-1000, 3000)),
        ([0.0, 0.5], "float32", (0, 1)),
        ([0.0, 1.5, 250.0], "float32", (0, 255)),
        ([-2.0, np.nan, np.inf, 2.0], "float32", (-2, 2)),
        ([7.0, 7.0], "float32", (0, 255)),
        ([-3, -3], "int32", (-3, -3)),
    ],
)
def test_deep_pictures_share_one_scale_that_holds_them_all(
    values: list[float], kind: str, levels: tuple[float, float]
) -> None:
    files = [stored(Image.fromarray(np.array([[value]], kind)), "TIFF") for value in values]
    found = find_levels(io.BytesIO(file.getvalue()) for file in files)
    assert found == (Levels(floats=levels) if kind == "float32" else Levels(integers=levels))
    low, high = levels
    expected = np.nan_to_num(np.array(values, float), nan=low, posinf=high)
    expected = (expected - low) / ((high - low) or 1) * 255
    assert [first_row(file, found)[0] for file in files] == [(round(value),) * 3 for value in expected]


def test_big_endian_values_are_those_of_little_endian_ones() -> None:
    image = Image.frombytes("I;16B", (2, 1), b"\x01\x01\xff\xff")
    assert first_row(image) == [(1,) * 3, (255,) * 3]


def test_pictures_of_eight_bits_need_no_levels() -> None:
    assert find_levels([Image.new(mode, (2, 2)) for mode in ("RGB", "L", "P", "RGBA")]) == Levels()


def test_a_network_learns_pictures_of_sixteen_bits(tmp_path: Path, small_net: Callable[[int], nn.Module]) -> None:
    for part, per_class in (("train", 16), ("val", 8)):
        for label in range(3):
            folder = tmp_path / part / str(label)
            folder.mkdir(parents=True)
            for i in range(per_class):
                noise = np.random.default_rng(i).integers(0, 4000, (24, 24)) + 8000 + 20000 * label
                Image.fromarray(noise.astype(np.uint16)).save(folder / f"{i}.png")
    dataset = get_dataset(f"folder:{tmp_path}")
    assert dataset.levels == Levels(integers=(0, 65535))
    recipe = Recipe(optimizer="adamw", lr=5e-3, epochs=6, batch_size=8)
    assert train(small_net(3), dataset, recipe, resolution=32, device="cpu").scores["top1"].value > 0.9
