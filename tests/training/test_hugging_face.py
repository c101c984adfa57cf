from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
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
def test_nothing_is_fetched_from_the_hub(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be opened offline.*load_dataset\('cifar10'\)"):
        get_dataset("hfds/cifar10", data_dir=str(tmp_path))
