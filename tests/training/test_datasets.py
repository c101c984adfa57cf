from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from blockfront.errors import UsageError
from blockfront.training import DATASETS, Dataset, Pictures, Recipe, Source, Tensors, get_dataset, train

OWN = """
import torch
from blockfront.training import Source, Tensors

def stripes(count):
    labels = torch.arange(count) % 2
    lines = torch.zeros(count, 3, 8, 8)
    lines[labels == 0, :, ::2] = 1
    lines[labels == 1, :, :, ::2] = 1
    return Tensors(lines, labels)

def both(dataset):
    return stripes(64), stripes(16)

mine = Source("mine", "Stripes", "made here", both, num_classes=2, resolution=16)
"""


def test_every_entry_says_what_it_is_and_how_to_get_it() -> None:
    for name, source in DATASETS.items():
        assert source.name == name
        assert source.title
        assert source.how
        assert (source.num_classes is None) == (source.train_images is None) == (source.takes is not None)


@pytest.mark.parametrize(("name", "near"), [("digit", "digits"), ("cifar10", "torch/cifar10"), ("fodler:x", "folder")])
def test_an_unknown_name_suggests_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"unknown data set.*{near}"):
        get_dataset(name)


def test_a_users_own_data_set_trains_from_its_file(tmp_path: Path, small_net: Callable[[int], nn.Module]) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    dataset = get_dataset(f"{file}:mine")
    assert (dataset.num_classes, dataset.train_images, dataset.test_images) == (2, 64, 16)
    recipe = Recipe(epochs=3, batch_size=8, augment=0)
    assert train(small_net(2), dataset, recipe, device="cpu").scores["top1"].value > 0.9


def test_a_users_own_data_set_can_be_registered(register: Callable[[Source], Source]) -> None:
    def opened(dataset: Dataset) -> tuple[Tensors, Tensors]:
        images = Tensors(torch.zeros(6, 1, 4, 4), torch.arange(6) % 3)
        return images, images

    register(Source("blank", "Blank squares", "made here", opened, num_classes=3, resolution=8))
    dataset = get_dataset("blank")
    assert (dataset.ref, dataset.num_classes, dataset.resolution) == ("blank", 3, 8)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nothing_of_this_name", "does not import \\(line 1\\): ModuleNotFoundError"),
        ("other = 1", "defines no blockfront.training.Source 'mine'; it has none"),
        (OWN.replace("mine", "ours"), "defines no blockfront.training.Source 'mine'"),
        (OWN.replace("num_classes=2", "num_classes=1"), "has num_classes 1; classification needs at least 2"),
        (OWN.replace("stripes(64)", "stripes(1)"), "has 1 training and 16 test images"),
    ],
)
def test_a_file_that_gives_no_data_set_says_why(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "own.py"
    file.write_text(text)
    with pytest.raises(UsageError, match=reason):
        get_dataset(f"{file}:mine")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file .*/own\.py"):
        get_dataset(f"{tmp_path}/own.py:mine")


def test_a_users_own_pictures_may_be_arrays_of_any_size(
    register: Callable[[Source], Source], small_net: Callable[[int], nn.Module]
) -> None:
    def opened(dataset: Dataset) -> tuple[Pictures, Pictures]:
        pictures = [(np.full((20 + i % 3, 24, 3), i % 2 * 200, np.uint8), i % 2) for i in range(32)]
        return pictures, pictures

    register(Source("shades", "Dark and bright", "made here", opened, num_classes=2, resolution=24))
    accuracy = train(small_net(2), get_dataset("shades"), Recipe(epochs=12, batch_size=8), device="cpu")
    assert accuracy.scores["top1"].value == 1.0


def test_the_list_shows_how_each_reference_is_written() -> None:
    forms = {source.form for source in DATASETS.values()}
    assert {"digits", "folder:PATH", "hfds/NAME", "torch/cifar10"} <= forms


@pytest.mark.parametrize("ref", ["tfds/mnist", "wds/pets", "hfids/food101"])
def test_a_streamed_data_set_points_to_a_folder(ref: str) -> None:
    with pytest.raises(UsageError, match=r"stream.*use folder:PATH"):
        get_dataset(ref)


@pytest.mark.parametrize(("ref", "form"), [("hfds", "hfds/NAME"), ("hfds:x", "hfds/NAME"), ("folder/x", "folder:PATH")])
def test_a_reference_in_the_wrong_form_shows_the_right_one(ref: str, form: str) -> None:
    with pytest.raises(UsageError, match=f"write {form}"):
        get_dataset(ref)
