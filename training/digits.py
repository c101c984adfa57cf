"""Handwritten digits that come with scikit-learn: 1,797 images of 8 x 8 pixels, 10 classes.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository,
1998, https://doi.org/10.24432/C50P49 (its test set).
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from blockfront.errors import UsageError
from blockfront.training.datasets import DATASETS, Dataset, Source, Tensors, fingerprint
from blockfront.training.splits import stratified_split
from blockfront.training.survey import count_classes


@lru_cache(maxsize=1)
def digits_split() -> tuple[Tensors, Tensors]:
    """The 1,347 training and the 450 test images, (N, 1, 8, 8) from 0 to 1; the same for every seed."""
    rows = np.loadtxt(_file(), delimiter=",", dtype=np.float32)
    keys = [row.tobytes() for row in rows[:, :-1].astype("uint8")]
    images = torch.from_numpy(rows[:, :-1]).reshape(-1, 1, 8, 8) / 16
    labels = torch.from_numpy(rows[:, -1]).long()
    train, test = (torch.tensor(part) for part in stratified_split(keys, labels.tolist(), 0.25))
    return Tensors(images[train], labels[train]), Tensors(images[test], labels[test])


def _file() -> Path:
    """What `sklearn.datasets.load_digits` reads: to import it takes seconds, in every process that trains."""
    found = find_spec("sklearn")
    if found is None or not found.submodule_search_locations:
        raise UsageError("the digits come with scikit-learn, which is not installed; take another --dataset")
    return Path(found.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")


def _open(dataset: Dataset) -> tuple[Tensors, Tensors]:
    return digits_split()


def _describe(ref: str, data_dir: str | None) -> Dataset:
    train, test = digits_split()
    pixels = [(split.images * 16).byte().numpy().tobytes().hex() for split in (train, test)]
    classes = count_classes(range(10), train.labels, test.labels)
    return Dataset("digits", None, 10, 32, len(train), len(test), fingerprint(pixels), classes=classes)


DATASETS.add(
    "digits",
    Source(
        name="digits",
        title="Handwritten digits (8 x 8 pixels, enlarged)",
        how="built in: scikit-learn carries it",
        open=_open,
        describe=_describe,
        num_classes=10,
        resolution=32,
        train_images=1347,
        test_images=450,
        flip=False,
    ),
)
