"""Masks are read with the values that are stored, whatever Pillow shows of them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from blockfront.errors import UsageError
from blockfront.training import get_dataset
from blockfront.training.masked_pictures import read_mask


@pytest.mark.parametrize(("bits", "mode"), [(1, "1"), (2, "L"), (4, "L")])
def test_grey_masks_of_few_bits_have_the_values_that_are_stored(tmp_path: Path, bits: int, mode: str) -> None:
    values = (np.arange(6 * 12).reshape(6, 12) % 2**bits).astype(np.uint8)
    path = tmp_path / "mask.png"
    packed = np.zeros((6, 1 + -(-12 * bits // 8)), np.uint8)
    for x in range(12):
        packed[:, 1 + x * bits // 8] |= values[:, x] << (8 - bits - x * bits % 8)
    with path.open("wb") as file:
        PngImagePlugin.putchunk(file, b"IHDR", struct.pack(">IIBBBBB", 12, 6, bits, 0, 0, 0, 0))
        PngImagePlugin.putchunk(file, b"IDAT", zlib.compress(packed.tobytes()))
        PngImagePlugin.putchunk(file, b"IEND", b"")
        content = b"\x89PNG\r\n\x1a\n"
    path.write_bytes(content + path.read_bytes())
    assert Image.open(path).mode == mode
    assert np.array_equal(read_mask(path), values)


def test_whole_numbers_of_more_bytes_are_read_in_any_order_and_negative_ones_refused(tmp_path: Path) -> None:
    values = np.arange(72, dtype=np.uint16).reshape(6, 12)
    Image.fromarray(values.astype(">u2")).save(tmp_path / "big.tif")
    assert np.array_equal(read_mask(tmp_path / "big.tif"), values)
    Image.fromarray(values.astype(np.int32) - 1).save(tmp_path / "less.tif")
    with pytest.raises(UsageError, match=r"less\.tif has the value -1; classes are from 0 to 254"):
        read_mask(tmp_path / "less.tif")


def test_a_table_of_ade20k_with_fewer_classes_is_refused(tmp_path: Path) -> None:
    for folder, mode in (("images", "RGB"), ("annotations", "L")):
        for number in range(3):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.new(mode, (12, 6), 1 if mode == "L" else 0).save(tmp_path / folder / f"{number}.png")
    (tmp_path / "objectInfo150.txt").write_text("Idx\tName\n1\twall, partition\n")
    with pytest.raises(UsageError, match=r"objectInfo150\.txt has 1 class, and ADE20K 150; remove it, or mend it"):
        get_dataset(f"ade20k:{tmp_path}")
