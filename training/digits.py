"""Handwritten digits that come with scikit-learn: 1,797 images of 8 x 8 pixels, 10 classes.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository,
1998, https://doi.org/10.24432/C50P49 (its test set).
"""

from __future__ import annotations

from functools import lru_cache

import torch

from blockfront.training.datasets import DATASETS, Dataset, Source, Tensors, fingerprint
from blockfront.training.splits import stratified_split


@lru_cache(maxsize=1)
def digits_split() -> tuple[Tensors, Tensors]:
    """The 1,347 training and the 450 test images, (N, 1, 8, 8) from 0 to 1; the same for every seed."""
    # scikit-learn takes a second to import, which those who train on other images are spared
    from sklearn.datasets import load_digits

    data = load_digits()
    keys = [image.astype("uint8").tobytes() for image in data.images]
    images = torch.from_numpy(data.images).float().unsqueeze(1) / 16
    labels = torch.from_numpy(data.target).long()
    train, test = (torch.tensor(part) for part in stratified_split(keys, labels.tolist(), 0.25))
    return Tensors(images[train], labels[train]), Tensors(images[test], labels[test])


def _open(dataset: Dataset) -> tuple[Tensors, Tensors]:
    return digits_split()


def _describe(ref: str, data_dir: str | None) -> Dataset:
    train, test = digits_split()
    pixels = [(split.images * 16).byte().numpy().tobytes().hex() for split in (train, test)]
    return Dataset("digits", None, 10, 32, len(train), len(test), fingerprint(pixels))


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
