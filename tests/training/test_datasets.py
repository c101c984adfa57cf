from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from blockfront.errors import UsageError
from blockfront.tasks import TASKS, Evaluator, ImageMeans, Task
from blockfront.training import DATASETS, Dataset, Pictures, Recipe, Source, Tensors, evaluate, get_dataset, train
from blockfront.training.loaders import train_loader, views_for

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


def test_labels_reach_the_loss_as_its_task_takes_them(
    register: Callable[[Source], Source], small_net: Callable[[int], nn.Module], own_registries: Callable[..., None]
) -> None:
    """Pictures and tensors of two heights each: the mean error of a network that gives zeros is theirs."""

    class Heights(Task):
        name, title, tag, metrics = "heights", "two heights", "h", ("height",)

        def loss(self, outputs: torch.Tensor, targets: torch.Tensor, label_smoothing: float) -> torch.Tensor:
            assert (targets.shape, targets.dtype) == (outputs.shape, torch.float32)
            return (outputs - targets).square().mean()

        def evaluator(self, outputs: int) -> Evaluator:
            return ImageMeans(height=lambda outputs, targets: (outputs - targets).abs().mean(1))

    labels = [(float(i), 2.0) for i in range(16)]

    def pictures(dataset: Dataset) -> tuple[Pictures, Pictures]:
        images = [(np.full((8, 8, 3), i, np.uint8), label) for i, label in enumerate(labels)]
        return images, images

    def tensors(dataset: Dataset) -> tuple[Tensors, Tensors]:
        images = Tensors(torch.rand(16, 1, 8, 8), torch.tensor(labels))
        return images, images

    own_registries(TASKS)
    TASKS.add("heights", Heights())
    silent = small_net(2)
    nn.init.zeros_(silent[-1].weight)
    nn.init.zeros_(silent[-1].bias)
    for name, opened in (("pictures", pictures), ("tensors", tensors)):
        register(Source(name, "Heights", "made here", opened, num_classes=2, resolution=8, task="heights"))
        assert evaluate(silent, get_dataset(name), device="cpu").scores["height"].value == (7.5 + 2) / 2
        trained = train(small_net(2), get_dataset(name), Recipe(epochs=1, batch_size=8), device="cpu")
        assert list(trained.scores) == ["height"]


@pytest.mark.processes
def test_labels_that_are_none_of_the_tasks_are_told_with_the_data_sets_name(
    register: Callable[[Source], Source], small_net: Callable[[int], nn.Module]
) -> None:
    def opened(dataset: Dataset) -> tuple[Pictures, Pictures]:
        pictures = [(np.zeros((8, 8, 3), np.uint8), "cat")] * 4
        return pictures, pictures

    register(Source("named", "Named", "made here", opened, num_classes=2, resolution=8))
    for workers in (0, 1):
        with pytest.raises(UsageError, match=r"^data set 'named': classification takes one number an image .*\Z"):
            train(small_net(2), get_dataset("named"), Recipe(epochs=1), device="cpu", workers=workers)


def test_pictures_that_would_lose_their_labels_are_not_moved() -> None:
    images = Tensors(torch.rand(8, 1, 6, 6), torch.arange(8) % 2)
    batches = {
        moves: next(iter(train_loader(images, views_for(nn.Identity(), 6), Recipe(), torch.as_tensor, moves=moves)))
        for moves in (True, False)
    }
    std, mean = torch.std_mean(images.images)
    plain = ((images.images - mean) / std).sum((1, 2, 3)).sort().values
    found = {moves: batch.mean(1).sum((1, 2)).sort().values for moves, (batch, _) in batches.items()}
    torch.testing.assert_close(found[False], plain, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(found[True], plain, atol=1e-2)
