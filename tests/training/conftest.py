"""Small generated pictures in the layouts that real data sets have, and a network small enough to train."""

from __future__ import annotations

import hashlib
import pickle
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.datasets import CIFAR10

from blockfront.training import DATASETS, Source

COLOURS = ((220, 40, 40), (40, 200, 40), (40, 40, 220))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def small_net() -> Callable[[int], nn.Module]:
    """Builds a three-layer convolutional network for so many classes, with the same weights every time."""

    def build(classes: int) -> nn.Module:
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for inside, outside in ((3, 16), (16, 32), (32, 32)):
            layers += [nn.Conv2d(inside, outside, 3, 2, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, classes))

    return build


def tinted(colour: tuple[int, int, int], size: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(-35, 36, (size, size, 3))
    return np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def picture_tree() -> Callable[..., Path]:
    """Writes `per_class` pictures of each of three colours below a folder, one sub-folder a colour."""

    def write(root: Path, per_class: int, first_seed: int = 0, names: tuple[str, ...] = ("a", "b", "c")) -> Path:
        for label, name in enumerate(names):
            (root / name).mkdir(parents=True)
            for number in range(per_class):
                pixels = tinted(COLOURS[label], 24, first_seed + 1000 * label + number)
                Image.fromarray(pixels).save(root / name / f"{number}.png")
        return root

    return write


@pytest.fixture
def cifar10_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-10's own file layout with 20 generated pictures a batch.

    torchvision compares the files with the published checksums, so it is told those of the generated ones.
    """
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()

    def write(name: str, content: dict[str, object]) -> str:
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    def batch(name: str, seed: int) -> list[str]:
        labels = [i % 2 * 9 for i in range(20)]
        pictures = [tinted(COLOURS[label // 9], 32, seed + i) for i, label in enumerate(labels)]
        rows = np.stack([picture.transpose(2, 0, 1).reshape(-1) for picture in pictures])
        return [name, write(name, {"data": rows, "labels": labels})]

    names = [row[0] for row in CIFAR10.train_list]
    monkeypatch.setattr(CIFAR10, "train_list", [batch(name, 100 * i) for i, name in enumerate(names)])
    monkeypatch.setattr(CIFAR10, "test_list", [batch("test_batch", 900)])
    labels = [f"class {i}" for i in range(10)]
    meta = {**CIFAR10.meta, "md5": write("batches.meta", {"label_names": labels})}
    monkeypatch.setattr(CIFAR10, "meta", meta)
    return tmp_path


@pytest.fixture
def mnist_dir(tmp_path: Path) -> Path:
    """MNIST's own file layout (idx) with 40 and 20 generated grey pictures, dark for 0 and bright for 9."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 40), ("t10k", 20)):
        labels = np.array([i % 2 * 9 for i in range(count)], np.uint8)
        pixels = np.stack([np.full((28, 28), 20 + 20 * label, np.uint8) for label in labels])
        header = struct.pack(">IIII", 2051, count, 28, 28)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, count) + labels.tobytes())
    return tmp_path


@pytest.fixture
def register(own_registries: Callable[..., None]) -> Callable[[Source], Source]:
    """Registers a data set for the length of one test."""
    own_registries(DATASETS)
    return lambda source: DATASETS.add(source.name, source)
