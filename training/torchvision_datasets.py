"""torchvision's data sets, by timm's names for them: `torch/NAME`. Their files must be there already."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from timm.data import create_dataset

from blockfront.errors import UsageError
from blockfront.training.datasets import DATASETS, Dataset, Source, fingerprint
from blockfront.training.survey import count_classes, look

_CIFAR = "https://www.cs.toronto.edu/~kriz"


def _open(name: str, dataset: Dataset) -> tuple[Any, Any]:
    try:
        train, test = (
            create_dataset(name, root=dataset.path, split=split, download=False, search_split=False)
            for split in ("train", "validation")
        )
    except ImportError as error:
        raise UsageError(f"data set {name!r} needs a package that is not installed: {error.name}") from error
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        raise UsageError(
            f"data set {name!r} is not in {dataset.path}, or damaged there; it wants {DATASETS[name].how}"
        ) from error
    return train, test


def _describe(source: Source, ref: str, data_dir: str | None) -> Dataset:
    if data_dir is None:
        raise UsageError(f"data set {ref!r} needs data_dir, the folder that holds {source.how}")
    path = Path(data_dir).expanduser().resolve()
    if not path.is_dir():
        raise UsageError(f"no such folder: {path}; data_dir is the folder that holds {source.how}")
    blank = Dataset(ref, str(path), source.num_classes or 0, source.resolution, 0, 0, "")
    train, test = _open(ref, blank)
    counts = (len(train), len(test))
    return replace(
        blank,
        train_images=counts[0],
        test_images=counts[1],
        fingerprint=fingerprint([ref, source.num_classes, *counts]),
        classes=count_classes([_first(name) for name in train.classes], _labels(train), _labels(test)),
        levels=look(train, test),
    )


def _first(name: Any) -> Any:
    """One name of a class that has several, as ImageNet's have."""
    return name[0] if isinstance(name, tuple) else name


def _labels(images: Any) -> torch.Tensor:
    """The class index of each image; QMNIST's targets say more behind it."""
    labels = torch.as_tensor(images.targets)
    return labels[:, 0] if labels.ndim == 2 else labels


def _add(name: str, title: str, classes: int, train: int, test: int, resolution: int, flip: bool, how: str) -> None:
    source = Source(
        name=name,
        title=title,
        how=how,
        open=partial(_open, name),
        num_classes=classes,
        resolution=resolution,
        train_images=train,
        test_images=test,
        flip=flip,
    )
    DATASETS.add(name, replace(source, describe=partial(_describe, source)))


_add(
    "torch/cifar10", "CIFAR-10, small colour pictures", 10, 50_000, 10_000, 32, True,
    f"cifar-10-batches-py/ (unpack {_CIFAR}/cifar-10-python.tar.gz)",
)  # fmt: skip
_add(
    "torch/cifar100", "CIFAR-100, small colour pictures", 100, 50_000, 10_000, 32, True,
    f"cifar-100-python/ (unpack {_CIFAR}/cifar-100-python.tar.gz)",
)  # fmt: skip
_add(
    "torch/mnist", "MNIST, handwritten digits", 10, 60_000, 10_000, 32, False,
    "MNIST/raw/ (its four idx-ubyte files, as torchvision lays them out)",
)  # fmt: skip
_add(
    "torch/fashion_mnist", "Fashion-MNIST, pieces of clothing", 10, 60_000, 10_000, 32, True,
    "FashionMNIST/raw/ (its four idx-ubyte files, as torchvision lays them out)",
)  # fmt: skip
_add(
    "torch/kmnist", "Kuzushiji-MNIST, Japanese characters", 10, 60_000, 10_000, 32, False,
    "KMNIST/raw/ (its four idx-ubyte files, as torchvision lays them out)",
)  # fmt: skip
_add(
    "torch/qmnist", "QMNIST, handwritten digits", 10, 60_000, 60_000, 32, False,
    "QMNIST/raw/ (its idx-ubyte files, as torchvision lays them out)",
)  # fmt: skip
_add(
    "torch/imagenet", "ImageNet-1k", 1000, 1_281_167, 50_000, 224, True,
    "ImageNet's train/ and val/ folders and meta.bin, or its three .tar files, as torchvision lays them out",
)  # fmt: skip
_add(
    "torch/places365", "Places365, scenes", 365, 1_803_460, 36_500, 224, True,
    "the Places365-standard folders and lists, as torchvision lays them out",
)  # fmt: skip
