from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from torch import nn

from blockfront.errors import UsageError
from blockfront.training import Recipe, get_dataset, train

installed = importlib.util.find_spec("datasets") is not None


@pytest.mark.skipif(installed, reason="the package is there")
def test_a_missing_package_is_named() -> None:
    with pytest.raises(UsageError, match="pip install datasets"):
        get_dataset("hfds/cifar10")


@pytest.mark.skipif(not installed, reason="needs the package datasets")
def test_a_network_learns_a_folder_in_the_hubs_layout(
    tmp_path: Path, picture_tree: Callable[..., Path], small_net: Callable[[int], nn.Module]
) -> None:
    picture_tree(tmp_path / "pictures" / "train", 16)
    picture_tree(tmp_path / "pictures" / "validation", 8, first_seed=500)
    dataset = get_dataset(f"hfds/{tmp_path}/pictures", data_dir=str(tmp_path / "cache"))
    assert (dataset.num_classes, dataset.train_images, dataset.test_images) == (3, 48, 24)
    recipe = Recipe(epochs=3, batch_size=8)
    assert train(small_net(3), dataset, recipe, resolution=32, device="cpu").scores["top1"].value > 0.9


@pytest.mark.skipif(not installed, reason="needs the package datasets")
@pytest.mark.parametrize(
    ("columns", "splits", "said"),
    [
        (("image", "label"), {"train": [0, 1, 0], "validation": [0, 1], "test": [1]}, None),
        (("image", "label"), {"train": [0, 1], "test": [0, -1]}, "gives no class for 1 image of its split 'test'"),
        (
            ("img", "label"),
            {"train": [0, 1], "test": [0]},
            "no pictures in column 'image' .* other columns are img, label",
        ),
        (
            ("image", "coarse"),
            {"train": [0, 1], "test": [0]},
            r"no classes for a column 'label' \(it has image, coarse\)",
        ),
        (("image", "label"), {"test": [0, 1]}, "has no split named train"),
    ],
)
def test_what_a_data_set_of_the_hub_holds_is_said(
    tmp_path: Path, columns: tuple[str, str], splits: dict[str, list[int]], said: str | None
) -> None:
    import pyarrow
    import pyarrow.parquet
    from datasets import ClassLabel, Features
    from datasets import Image as ImageColumn

    schema = Features(zip(columns, (ImageColumn(), ClassLabel(names=["a", "b"])), strict=True)).arrow_schema
    picture = io.BytesIO()
    Image.new("RGB", (4, 4)).save(picture, "PNG")
    (tmp_path / "own").mkdir()
    for split, labels in splits.items():
        rows = ([{"bytes": picture.getvalue(), "path": None}] * len(labels), labels)
        table = pyarrow.table(dict(zip(columns, rows, strict=True)), schema=schema)
        pyarrow.parquet.write_table(table, tmp_path / "own" / f"{split}.parquet")
    ref, cache = f"hfds/{tmp_path}/own", str(tmp_path / "cache")
    if said is not None:
        with pytest.raises(UsageError, match=said):
            get_dataset(ref, cache)
        return
    dataset = get_dataset(ref, cache)
    assert dataset.classes == (("a", 2, 1), ("b", 1, 1))
    assert dataset.notes == ("not used: split test, because validation is for testing",)


@pytest.mark.skipif(not installed, reason="needs the package datasets")
def test_nothing_is_fetched_from_the_hub(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be opened offline.*load_dataset\('cifar10'\)"):
        get_dataset("hfds/cifar10", data_dir=str(tmp_path))
