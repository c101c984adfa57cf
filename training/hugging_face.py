"""Data sets of the Hugging Face hub that are in the local cache, or a folder in its layout: `hfds/NAME`."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import huggingface_hub.constants
from timm.data import create_dataset

from blockfront.errors import UsageError
from blockfront.training.datasets import DATASETS, Dataset, Pictures, Source, fingerprint

TEST_SPLITS = ("validation", "test")


def _describe(ref: str, data_dir: str | None) -> Dataset:
    path = None if data_dir is None else str(Path(data_dir).expanduser().resolve())
    train, test = _readers(ref, path)
    classes = len(train.class_to_idx)
    if classes == 0:
        raise UsageError(f"data set {ref!r} names no classes for its 'label' column; use a folder of images")
    counts = (len(train), len(test))
    parts = (ref, classes, *counts, train.dataset._fingerprint, test.dataset._fingerprint)
    return Dataset(ref, path, classes, 224, *counts, fingerprint(parts))


def _open(dataset: Dataset) -> tuple[Pictures, Pictures]:
    return _readers(dataset.ref, dataset.path)


def _readers(ref: str, cache: str | None) -> tuple[Any, Any]:
    # timm prints to standard output when the package is missing, so it is looked for first
    if importlib.util.find_spec("datasets") is None:
        raise UsageError(f"data set {ref!r} needs the package datasets: pip install datasets")
    try:
        with _offline():
            train = create_dataset(ref, root=cache, split="train").reader
            split = next((name for name in TEST_SPLITS if name in train.dataset.info.splits), None)
            if split is None:
                raise UsageError(f"data set {ref!r} has no split named {' or '.join(TEST_SPLITS)}")
            return train, create_dataset(ref, root=cache, split=split).reader
    except UsageError:
        raise
    except Exception as error:
        name = ref.partition("/")[2]
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UsageError(
            f"data set {ref!r} cannot be opened offline ({reason}); fetch it first with "
            f"datasets.load_dataset({name!r}), and give data_dir where that was its cache_dir"
        ) from error


@contextmanager
def _offline() -> Iterator[None]:
    """Keep the hub's libraries from downloading; they read these two constants at each call."""
    datasets = importlib.import_module("datasets")
    with (
        patch.object(huggingface_hub.constants, "HF_HUB_OFFLINE", True),
        patch.object(datasets.config, "HF_HUB_OFFLINE", True),
    ):
        yield


DATASETS.add(
    "hfds",
    Source(
        name="hfds",
        title="A Hugging Face data set that lies in the local cache",
        how="hfds/NAME, with an 'image' and a 'label' column; needs the package datasets",
        open=_open,
        describe=_describe,
        takes="NAME",
        separator="/",
    ),
)
