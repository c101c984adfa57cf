"""Fashion-MNIST: 70,000 grey pictures of clothing, 28 x 28 pixels, 10 classes, under the MIT licence.

Source: Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747. Its four files are looked for in `--data-dir`, where Debian's
package installs them and in the cache folder, and are fetched there once: from Debian's package, else by torchvision.
"""

from __future__ import annotations

import gzip
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from blockfront.content_store import cache_folder
from blockfront.debian import obstacle, unpack
from blockfront.digest import digest
from blockfront.errors import RunError, UsageError, first_line
from blockfront.steps import publish
from blockfront.training.datasets import DATASETS, Dataset, Source, Tensors, fingerprint
from blockfront.training.survey import count_classes

FILES = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""The files' names and the SHA-256 of what they hold, without compression."""
INSTALLED = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package puts them."""
CLASSES = (*("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),)
_IMAGES_HEADER, _LABELS_HEADER = 16, 8


def fashion_mnist_split(folder: Path) -> tuple[Tensors, Tensors]:
    """The 60,000 training and the 10,000 test images, bytes (N, 1, 28, 28); raises `UsageError` for other files."""
    train_images, train_labels, test_images, test_labels = (_read(folder, name) for name in FILES)
    return _tensors(train_images, train_labels), _tensors(test_images, test_labels)


def _tensors(images: bytes, labels: bytes) -> Tensors:
    pixels = np.frombuffer(images, np.uint8, offset=_IMAGES_HEADER).reshape(-1, 1, 28, 28).copy()
    return Tensors(
        torch.from_numpy(pixels),
        torch.from_numpy(np.frombuffer(labels, np.uint8, offset=_LABELS_HEADER).astype("int64")),
    )


def _read(folder: Path, name: str) -> bytes:
    """A file's content, compressed or not; raises `UsageError` when it is not what it should be."""
    path = next((path for path in _forms(folder, name) if path.is_file()), None)
    if path is None:
        raise UsageError(f"{folder} has no {name} of Fashion-MNIST, nor {name}.gz")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    if digest(content) != FILES[name]:
        raise UsageError(f"{path} is damaged, or not Fashion-MNIST's: its hash is another")
    return content


def _forms(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / name, folder / f"{name}.gz"


def _holds(folder: Path) -> bool:
    return all(any(path.is_file() for path in _forms(folder, name)) for name in FILES)


def find_fashion_mnist() -> Path:
    """The folder of its files, fetched where they are not here; raises `RunError` where they cannot be had."""
    own = cache_folder() / "datasets" / "fashion_mnist"
    for folder in (INSTALLED, own):
        if _holds(folder):
            return folder
    if os.environ.get("BENCH_OFFLINE", "0") not in ("", "0"):
        raise RunError("Fashion-MNIST is not here, and BENCH_OFFLINE forbids to download it")
    print(f"downloading Fashion-MNIST (31 MB, once) to {own}", file=sys.stderr)
    own.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    with tempfile.TemporaryDirectory(dir=own.parent) as name:
        for fetch in FETCHERS:
            made = Path(name, fetch.__name__)
            try:
                found = fetch(made)
                for file in FILES:
                    _read(found, file)
            except (RunError, UsageError) as error:
                reasons.append(str(error))
                continue
            publish(found, own)
            return own
    raise RunError(f"Fashion-MNIST cannot be had: {'; '.join(reasons)}")


def _from_debian(made: Path) -> Path:
    if (reason := obstacle()) is not None:
        raise RunError(reason)
    unpack(["dataset-fashion-mnist"], "all", made)
    return made / INSTALLED.relative_to("/")


def _from_torchvision(made: Path) -> Path:
    from torchvision.datasets import FashionMNIST

    try:
        with redirect_stdout(sys.stderr):
            FashionMNIST(str(made), download=True)
    except Exception as error:  # urllib's, torchvision's and the disk's own
        raise RunError(f"torchvision's download failed: {first_line(error)}") from error
    folder = made / "FashionMNIST" / "raw"
    for packed in folder.glob("*.gz"):
        packed.unlink()
    return folder


FETCHERS: tuple[Callable[[Path], Path], ...] = (_from_debian, _from_torchvision)
"""Ways to get the files below a folder, tried in this order: each gives the folder that they are in."""


@lru_cache(maxsize=1)
def _split(folder: Path) -> tuple[Tensors, Tensors]:
    return fashion_mnist_split(folder)


def _open(dataset: Dataset) -> tuple[Tensors, Tensors]:
    folder = Path(dataset.path or "")
    # A worker on another machine has its own.
    return _split(folder if _holds(folder) else find_fashion_mnist())


def _describe(ref: str, data_dir: str | None) -> Dataset:
    folder = find_fashion_mnist() if data_dir is None else Path(data_dir).expanduser().resolve()
    train, test = _split(folder)
    classes = count_classes(CLASSES, train.labels, test.labels)
    return Dataset(ref, str(folder), 10, 32, len(train), len(test), fingerprint(list(FILES.values())), classes=classes)


DATASETS.add(
    "fashion_mnist",
    Source(
        name="fashion_mnist",
        title="Fashion-MNIST, pieces of clothing (28 x 28 pixels, enlarged)",
        how="31 MB, fetched once: Debian's dataset-fashion-mnist, else by torchvision; or --data-dir with its files",
        open=_open,
        describe=_describe,
        num_classes=10,
        resolution=32,
        train_images=60_000,
        test_images=10_000,
    ),
)
