from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from torch import nn
from torchvision.datasets import CIFAR10

from blockfront.errors import UsageError
from blockfront.training import DATASETS, Recipe, get_dataset, train
from blockfront.training.datasets import find_source
from blockfront.training.loaders import evaluation_loader, train_loader, views_for

LIGHT = Recipe(optimizer="adamw", lr=5e-3, epochs=2, batch_size=8)


def test_cifar10_is_read_from_its_own_files(cifar10_dir: Path) -> None:
    dataset = get_dataset("torch/cifar10", data_dir=str(cifar10_dir))
    assert (dataset.train_images, dataset.test_images) == (100, 20)
    assert (dataset.num_classes, dataset.resolution) == (10, 32)
    assert dataset.classes[0][:3] == ("class 0", 50, 10)
    assert dataset.notes[0] == "no training images of class 1, class 2, class 3 and 5 more"


def test_a_network_learns_cifar10_pictures(cifar10_dir: Path, small_net: Callable[[int], nn.Module]) -> None:
    dataset = get_dataset("torch/cifar10", data_dir=str(cifar10_dir))
    accuracy = train(small_net(10), dataset, LIGHT, resolution=32, device="cpu")
    assert accuracy.scores["top1"].value > 0.9
    assert accuracy.dataset == "torch/cifar10"
    assert len(accuracy.curve) == 2


def test_a_picture_reaches_the_network_normalised_by_timms_constants(
    cifar10_dir: Path,
) -> None:
    dataset = get_dataset("torch/cifar10", data_dir=str(cifar10_dir))
    train_images, test_images = find_source(dataset.ref).open(dataset)
    images, labels = next(
        iter(evaluation_loader(test_images, train_images, views_for(nn.Identity(), 32), dataset.targets))
    )
    rows = pickle.loads((cifar10_dir / "cifar-10-batches-py" / "test_batch").read_bytes())
    pixels = torch.from_numpy(rows["data"]).view(-1, 3, 32, 32) / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(images, (pixels - mean[:, None, None]) / std[:, None, None])
    assert labels.tolist() == rows["labels"]


def test_a_network_that_brings_its_own_normalisation_gets_it() -> None:
    net = timm.create_model("mobilenetv3_small_050", pretrained=False)
    config = net.pretrained_cfg
    views = views_for(net, 224)
    assert (views.mean, views.std) == (config["mean"], config["std"])
    assert (views.interpolation, views.crop_pct) == (config["interpolation"], config["crop_pct"])
    assert views_for(net, 32).crop_pct == 1.0


def test_a_training_batch_has_the_asked_size_whatever_the_pictures(cifar10_dir: Path) -> None:
    dataset = get_dataset("torch/cifar10", data_dir=str(cifar10_dir))
    train_images, _ = find_source(dataset.ref).open(dataset)
    recipe = Recipe(batch_size=48, auto_augment="rand-m9", random_erasing=0.5)
    loader = train_loader(train_images, views_for(nn.Identity(), 40), recipe, dataset.targets)
    assert [tuple(images.shape) for images, _ in loader] == [(48, 3, 40, 40)] * 2


def test_no_augmentation_leaves_the_pictures_as_they_are(cifar10_dir: Path) -> None:
    dataset = get_dataset("torch/cifar10", data_dir=str(cifar10_dir))
    train_images, _ = find_source(dataset.ref).open(dataset)
    views = views_for(nn.Identity(), 32)
    plain = train_loader(train_images, views, Recipe(augment=0, batch_size=100), dataset.targets)
    expected = evaluation_loader(train_images, train_images, views, dataset.targets)
    images, _ = next(iter(plain))
    ordered, _ = next(iter(expected))

    def sorted_sums(batch: torch.Tensor) -> torch.Tensor:
        return batch.double().mean((1, 2, 3)).sort().values

    torch.testing.assert_close(sorted_sums(images), sorted_sums(ordered), atol=1e-6, rtol=0)


def test_grey_pictures_become_three_channels(mnist_dir: Path, small_net: Callable[[int], nn.Module]) -> None:
    dataset = get_dataset("torch/mnist", data_dir=str(mnist_dir))
    assert (dataset.train_images, dataset.test_images) == (40, 20)
    accuracy = train(small_net(10), dataset, LIGHT, device="cpu")
    assert accuracy.test_images == 20


def test_files_that_are_not_given_are_described() -> None:
    with pytest.raises(UsageError, match=r"needs data_dir.*cifar-10-batches-py.*https://"):
        get_dataset("torch/cifar10")


def test_files_that_are_not_there_are_described(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"is not in {tmp_path}.*cifar-10-batches-py"):
        get_dataset("torch/cifar10", data_dir=str(tmp_path))


def test_a_data_dir_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such folder: .*/nowhere"):
        get_dataset("torch/mnist", data_dir=str(tmp_path / "nowhere"))


def test_a_damaged_file_is_refused_before_training(cifar10_dir: Path) -> None:
    batch = cifar10_dir / CIFAR10.base_folder / "data_batch_3"
    batch.write_bytes(batch.read_bytes()[:-1])
    with pytest.raises(UsageError, match="damaged"):
        get_dataset("torch/cifar10", data_dir=str(cifar10_dir))


@pytest.mark.parametrize("name", [name for name in DATASETS if name.startswith("torch/")])
def test_every_listed_data_set_asks_for_its_files_and_downloads_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it wants"):
        get_dataset(name, data_dir=str(tmp_path))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
