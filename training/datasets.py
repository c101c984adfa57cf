"""What a data set is, where it comes from, and how a reference such as `folder:PATH` is looked up."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from blockfront.digest import digest
from blockfront.errors import UsageError
from blockfront.plurals import counted
from blockfront.python_file import is_file_reference, load_object
from blockfront.registry import Registry
from blockfront.tasks import CLASSIFICATION, TASKS
from blockfront.training.decoding import Levels
from blockfront.training.survey import ClassImages, listed, look, printable


@dataclass(frozen=True)
class Dataset:
    """A data set ready to train on: a reference that any process can open again, and its counts.

    `path` is the absolute folder its files lie in, None for built-in data. `task` is an entry of
    `blockfront.tasks.TASKS`, and `num_classes` how many outputs it asks of a network: of classification the classes.
    `resolution` is the input size in pixels that suits it. `fingerprint` changes when the images do (12 hex digits).
    `classes` has the images of each, where the reader knows their labels; `notes` say what was left out, and what else
    one should know before training. `levels` are what grey pictures above 8 bits are scaled by.
    """

    ref: str
    path: str | None
    num_classes: int
    resolution: int
    train_images: int
    test_images: int
    fingerprint: str
    task: str = CLASSIFICATION
    classes: tuple[ClassImages, ...] = ()
    notes: tuple[str, ...] = ()
    levels: Levels = field(default_factory=Levels)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What its task's evaluator gives."""
        return TASKS[self.task].metrics

    def summary(self, limit: int = 10) -> list[str]:
        """Lines that say what it holds: counts, images of the first `limit` classes if any, and its notes."""
        kinds = f"{counted(len(self.classes), 'class')}, " if self.classes else ""
        lines = [
            f"{printable(self.ref)}: {kinds}{self.train_images} training and {counted(self.test_images, 'test image')}"
        ]
        if self.classes and limit:
            shown = listed([str(one) for one in self.classes], limit)
            what = " (and its share of the pixels)" if self.classes[0].pixels is not None else ""
            lines.append(f"training + test images a class{what}: {shown}")
        return [*lines, *self.notes]

    def targets(self, labels: Sequence[Any] | torch.Tensor) -> torch.Tensor:
        """The labels of N images as its task takes them, (N, ...); raises `UsageError` for labels it cannot take."""
        try:
            return TASKS[self.task].targets(labels, self.num_classes)
        except UsageError as error:
            raise UsageError(f"data set {self.ref!r}: {error}") from error


@dataclass(frozen=True)
class Tensors:
    """Images small enough to stay in memory, and labels (N, ...) of the task.

    Images are (N, 1 or 3, H, W): float from 0 to 1, or uint8.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


class Pictures(Protocol):
    """Anything indexed that gives (PIL image, open file or uint8 array (H, W, C); label, such as a class index)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> tuple[Any, Any]: ...


Images = Tensors | Pictures


@dataclass(frozen=True)
class Source:
    """One entry of `DATASETS`: how a data set is described for the user, and opened.

    `open(dataset)` gives the training and the test images. `describe(ref, data_dir)` gives the `Dataset` and
    raises `UsageError` when the files are not as they should be; without one, the figures below are taken and
    `open` is called once to count the images. `task` is what its labels are for, an entry of
    `blockfront.tasks.TASKS`, and `num_classes` how many outputs that asks of a network. `flip` says whether a mirrored
    picture keeps its label, `moves` whether one does that is turned, zoomed and shifted a little. `takes` names what
    follows name and `separator` in a reference, if anything does. Where a figure is None, it depends on the files.
    """

    name: str
    title: str
    how: str
    open: Callable[[Dataset], tuple[Images, Images]]
    num_classes: int | None = None
    resolution: int = 224
    train_images: int | None = None
    test_images: int | None = None
    flip: bool = True
    takes: str | None = None
    separator: str = ":"
    describe: Callable[[str, str | None], Dataset] | None = None
    task: str = CLASSIFICATION
    moves: bool = True

    @property
    def form(self) -> str:
        """How a reference to it is written, such as `digits` or `folder:PATH`."""
        return self.name if self.takes is None else f"{self.name}{self.separator}{self.takes}"


DATASETS: Registry[Source] = Registry("data set")


def path_of(ref: str) -> Path:
    """The absolute folder that a reference such as `folder:PATH` names."""
    return Path(ref.partition(":")[2]).expanduser().resolve()


def places_source(
    name: str,
    title: str,
    how: str,
    task: str,
    resolution: int,
    read: Callable[[Path], Any],
    describe: Callable[[str, Path, Any], Dataset],
) -> Source:
    """An entry of `DATASETS`, `NAME:PATH`, for a folder of the user's whose pictures say where things are.

    `read` gives what a folder holds, its training and test images first, and `describe` the data set of a reference, a
    folder and what was read of it. What was read last is kept until something is described again.
    """
    latest: tuple[object, Any] = None, None

    def described(ref: str, data_dir: str | None) -> Dataset:
        nonlocal latest
        root = path_of(ref)
        found = read(root)
        dataset = describe(f"{name}:{root}", root, found)
        latest = (dataset.path, dataset.fingerprint), found
        return dataset

    def opened(dataset: Dataset) -> tuple[Images, Images]:
        nonlocal latest
        own = dataset.path, dataset.fingerprint
        key, found = latest
        if key != own:
            found = read(Path(str(dataset.path)))
            latest = own, found
        train, test, *_ = found
        return train, test

    return Source(
        name=name,
        title=title,
        how=how,
        open=opened,
        describe=described,
        resolution=resolution,
        takes="PATH",
        task=task,
        moves=False,
    )


STREAMS = ("hfids", "tfds", "wds")
"""timm's prefixes for streamed data sets, which fix neither order nor count."""


def fingerprint(parts: Sequence[object]) -> str:
    """First 12 hex digits of the SHA-256 of the parts' text, one a line; names of files may be of any bytes."""
    return digest("\n".join(map(str, parts)).encode(errors="surrogateescape"), 12)


def get_dataset(ref: str, data_dir: str | None = None) -> Dataset:
    """The data set a reference names: a name in `DATASETS`, `folder:PATH`, or `file.py:NAME` for a `Source`.

    `data_dir` is the folder that holds the files of a data set known by name. Nothing is downloaded but
    `fashion_mnist`, which says so.
    Raises `UsageError` for an unknown name and for files that are missing, unreadable or too few.
    """
    source = find_source(ref)
    if source.describe is not None:
        dataset = source.describe(ref, data_dir)
    else:
        dataset = _describe(source, ref, data_dir)
    task = TASKS[source.task]
    dataset = replace(dataset, task=source.task)
    if dataset.num_classes < task.fewest:
        raise UsageError(
            f"data set {ref!r} has num_classes {dataset.num_classes}; {task.name} needs at least {task.fewest}"
        )
    if dataset.train_images < 2 or dataset.test_images < 1:
        raise UsageError(
            f"data set {ref!r} has {dataset.train_images} training and {counted(dataset.test_images, 'test image')}; "
            "at least 2 and 1 are needed"
        )
    return replace(dataset, notes=(*dataset.notes, *_missing(dataset.classes)))


def _missing(classes: Sequence[ClassImages]) -> list[str]:
    """A note of the classes without training, and of those without test images."""
    found = {
        "training": [one.name for one in classes if one.train == 0],
        "test": [one.name for one in classes if one.test == 0],
    }
    return [f"no {kind} images of {listed(names)}" for kind, names in found.items() if names]


def find_source(ref: str) -> Source:
    """The `Source` behind a reference; raises `UsageError` with near names when there is none."""
    if is_file_reference(ref):
        source: Source = load_object(ref, lambda value: isinstance(value, Source), "blockfront.training.Source")
        return source
    head = re.split("[:/]", ref, maxsplit=1)[0]
    if head in DATASETS and DATASETS[head].takes is not None:
        source = DATASETS[head]
        if len(ref) <= len(head) + 1 or ref[len(head)] != source.separator:
            raise UsageError(f"data set {ref!r}: write {source.form}")
        return source
    if head in STREAMS:
        raise UsageError(f"data set {ref!r} is a stream of no fixed order; save it as images and use folder:PATH")
    if ref and ref not in DATASETS and Path(ref).is_dir():
        raise UsageError(f"unknown data set {ref!r}; for a folder of images write folder:{ref}")
    return DATASETS[ref]


def _describe(source: Source, ref: str, data_dir: str | None) -> Dataset:
    path = None if data_dir is None else str(Path(data_dir).expanduser().resolve())
    if source.num_classes is None:
        raise UsageError(f"data set {ref!r}: its Source needs num_classes or describe")
    head, colon, name = ref.rpartition(":")
    ref = f"{Path(head).resolve()}:{name}" if colon else ref
    blank = Dataset(ref, path, source.num_classes, source.resolution, 0, 0, "")
    train, test = source.open(blank)
    parts = [source.name, source.num_classes, len(train), len(test)]
    if source.task != CLASSIFICATION:
        parts.append(source.task)
    dataset = replace(blank, train_images=len(train), test_images=len(test), fingerprint=fingerprint(parts))
    if isinstance(train, Tensors) or isinstance(test, Tensors):
        return dataset
    return replace(dataset, levels=look(train, test))
