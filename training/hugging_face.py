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
from blockfront.plurals import counted
from blockfront.training.datasets import DATASETS, Dataset, Pictures, Source, fingerprint
from blockfront.training.survey import count_classes, look

TEST_SPLITS = ("validation", "test")


def _describe(ref: str, data_dir: str | None) -> Dataset:
    path = None if data_dir is None else str(Path(data_dir).expanduser().resolve())
    train, test = _readers(ref, path)
    names = list(train.class_to_idx)
    if not names:
        raise UsageError(
            f"data set {ref!r} names no classes for a column 'label' (it has {', '.join(train.dataset.column_names)}); "
            "use a folder of images"
        )
    counts = (len(train), len(test))
    parts = (ref, len(names), *counts, train.dataset._fingerprint, test.dataset._fingerprint)
    labels = [_labels(ref, reader, len(names)) for reader in (train, test)]
    unused = [name for name in train.dataset.info.splits if name not in (train.split, test.split)]
    return Dataset(
        ref,
        path,
        len(names),
        224,
        *counts,
        fingerprint(parts),
        classes=count_classes(names, *labels),
        notes=(f"not used: split {', '.join(unused)}, because {test.split} is for testing",) if unused else (),
        levels=look(train, test),
    )


def _labels(ref: str, reader: Any, classes: int) -> list[int]:
    labels = list(reader.dataset["label"])
    bad = sum(label is None or not 0 <= label < classes for label in labels)
    if bad:
        raise UsageError(f"data set {ref!r} gives no class for {counted(bad, 'image')} of its split {reader.split!r}")
    return labels


def _open(dataset: Dataset) -> tuple[Pictures, Pictures]:
    return _readers(dataset.ref, dataset.path)


def _readers(ref: str, cache: str | None) -> tuple[Any, Any]:
    # timm prints to standard output when the package is missing, so it is looked for first
    if importlib.util.find_spec("datasets") is None:
        raise UsageError(f"data set {ref!r} needs the package datasets: pip install datasets")
    try:
        with _offline():
            train = _reader(ref, cache, "train")
            split = next((name for name in TEST_SPLITS if name in train.dataset.info.splits), None)
            if split is None:
                raise UsageError(f"data set {ref!r} has no split named {' or '.join(TEST_SPLITS)}")
            return train, _reader(ref, cache, split)
    except UsageError:
        raise
    except Exception as error:
        name = ref.partition("/")[2]
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UsageError(
            f"data set {ref!r} cannot be opened offline ({reason}); fetch it first with "
            f"datasets.load_dataset({name!r}), and give data_dir where that was its cache_dir"
        ) from error


def _reader(ref: str, cache: str | None, split: str) -> Any:
    try:
        reader = create_dataset(ref, root=cache, split=split).reader
    except ValueError as error:
        if str(error).startswith("Unknown split"):
            raise UsageError(f"data set {ref!r} has no split named {split}") from error
        raise
    # where there is no such column, one without content has been added to what is read
    missing = reader.dataset.data.column("image").null_count
    if missing:
        others = ", ".join(name for name in reader.dataset.column_names if name != "image")
        raise UsageError(
            f"data set {ref!r} has no pictures in column 'image' for {missing} of {counted(len(reader), 'row')} of "
            f"split {split!r}; its other columns are {others}"
        )
    return reader


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
