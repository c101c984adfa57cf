"""Batches of normalised images: pictures through timm's loaders, in-memory images warped in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from timm.data import create_loader, resolve_data_config
from timm.data.random_erasing import RandomErasing
from torch import Tensor, nn
from torch.utils.data import DataLoader, default_collate
from torch.utils.data import Dataset as TorchDataset

from blockfront.errors import RunError, UsageError
from blockfront.tasks import CLASSIFICATION, TASKS, Task
from blockfront.training.datasets import Images, Pictures, Tensors
from blockfront.training.decoding import Levels, to_rgb
from blockfront.training.policies import make_policy
from blockfront.training.recipe import Recipe
from blockfront.training.survey import complaint
from blockfront.training.targets import Targets, fitted_targets
from blockfront.training.tensor_batches import TensorBatches
from blockfront.training.whole_pictures import ChangedBatches, stretched

EVAL_BATCH = 128
SMALLEST_CROP = 0.65
COLOR_JITTER = 0.2
UNCROPPED_UP_TO = 64


class Loader(Protocol):
    """Batches of images (N, 3, R, R) float32, normalised, and the task's targets (N, ...)."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]: ...


@dataclass(frozen=True)
class Views:
    """How images reach a network: input size in pixels, normalisation, crop (see `views_for`) and grey levels."""

    resolution: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    crop_pct: float
    crop_mode: str
    levels: Levels


def views_for(module: nn.Module, resolution: int, levels: Levels | None = None) -> Views:
    """timm's data configuration of a network, its own where it brings one (`pretrained_cfg`).

    Small pictures are not cropped: their subject fills the frame.
    """
    asked: dict[str, Any] = {"input_size": (3, resolution, resolution)}
    if resolution <= UNCROPPED_UP_TO:
        asked["crop_pct"] = 1.0
    config = resolve_data_config(asked, pretrained_cfg=getattr(module, "pretrained_cfg", None) or {})
    return Views(
        resolution,
        tuple(config["mean"]),
        tuple(config["std"]),
        config["interpolation"],
        config["crop_pct"],
        config["crop_mode"],
        levels or Levels(),
    )


def train_loader(
    images: Images,
    views: Views,
    recipe: Recipe,
    targets: Targets,
    *,
    flip: bool = True,
    moves: bool = True,
    task: Task = TASKS[CLASSIFICATION],
    workers: int = 0,
) -> Loader:
    """Shuffled, augmented batches of one size; a last batch that is not full is dropped.

    `flip` and `moves`: whether pictures keep their labels when they are mirrored, and when they are moved a little.
    Pictures in which a `task` says places are stretched to the input, and not moved.
    """
    targets = partial(fitted_targets, task, views.resolution, targets)
    statistics, images = images, evenly_spaced(images, recipe.images)
    batch_size = min(recipe.batch_size, len(images))
    moved = recipe.augment if moves and not task.places else 0.0
    mirrored = task.mirrored if flip and recipe.augment > 0 else None
    erased = RandomErasing(recipe.random_erasing, mode="pixel", device="cpu") if recipe.random_erasing else None
    if isinstance(images, Tensors):
        assert isinstance(statistics, Tensors)
        return TensorBatches(
            data=images,
            statistics=statistics,
            resolution=views.resolution,
            batch_size=batch_size,
            targets=targets,
            augment=moved,
            training=True,
            mirrored=mirrored,
            erase=erased,
            policy=None if recipe.auto_augment is None else make_policy(recipe.auto_augment, images.images.shape[-1]),
        )
    if task.places:
        whole = stretched(views.resolution, views.mean, views.std, COLOR_JITTER * recipe.augment)
        loader = _loader(images, views, whole, targets, batch_size, workers, training=True)
        return ChangedBatches(loader, mirrored, erased)
    return create_loader(
        ReadablePictures(images, views.levels),
        input_size=(3, views.resolution, views.resolution),
        batch_size=batch_size,
        is_training=True,
        no_aug=recipe.augment == 0 and recipe.auto_augment is None and recipe.random_erasing == 0,
        scale=(max(0.08, 1 - (1 - SMALLEST_CROP) * moved), 1.0),
        hflip=0.0 if mirrored is None else 0.5,
        color_jitter=COLOR_JITTER * recipe.augment,
        auto_augment=recipe.auto_augment,
        re_prob=recipe.random_erasing,
        re_mode="pixel",
        interpolation=views.interpolation,
        mean=views.mean,
        std=views.std,
        num_workers=workers,
        collate_fn=Collate(targets),
        use_prefetcher=False,
    )


def evaluation_loader(
    images: Images,
    train_images: Images,
    views: Views,
    targets: Targets,
    *,
    task: Task = TASKS[CLASSIFICATION],
    batch_size: int = EVAL_BATCH,
    workers: int = 0,
) -> Loader:
    """Every image once, in order. In-memory images are normalised by the training images' statistics.

    Pictures in which a `task` says places are stretched to the input whole.
    """
    targets = partial(fitted_targets, task, views.resolution, targets)
    if isinstance(images, Tensors):
        assert isinstance(train_images, Tensors)
        return TensorBatches(images, train_images, views.resolution, batch_size, targets, 0.0, False)
    if task.places:
        return _loader(
            images, views, stretched(views.resolution, views.mean, views.std, 0.0), targets, batch_size, workers
        )
    return create_loader(
        ReadablePictures(images, views.levels),
        input_size=(3, views.resolution, views.resolution),
        batch_size=batch_size,
        is_training=False,
        interpolation=views.interpolation,
        mean=views.mean,
        std=views.std,
        crop_pct=views.crop_pct,
        crop_mode=views.crop_mode,
        num_workers=workers,
        collate_fn=Collate(targets),
        use_prefetcher=False,
    )


def _loader(
    images: Pictures,
    views: Views,
    transform: Any,
    targets: Targets,
    batch_size: int,
    workers: int,
    training: bool = False,
) -> DataLoader[tuple[Tensor, Tensor]]:
    pictures = ReadablePictures(images, views.levels)
    pictures.transform = transform
    collate = Collate(targets)
    return DataLoader(
        pictures, batch_size, shuffle=training, drop_last=training, num_workers=workers, collate_fn=collate
    )


def evenly_spaced(images: Images, limit: int | None) -> Images:
    """The images, or `limit` of them evenly spaced: the same share of each class where they are sorted."""
    if limit is None or limit >= len(images):
        return images
    return _chosen(images, torch.arange(limit) * len(images) // limit)


def shuffled(images: Images, limit: int | None = None) -> Images:
    """The images, or `limit` of them, in an order drawn from torch's global generator."""
    return _chosen(images, torch.randperm(len(images))[:limit])


def _chosen(images: Images, order: Tensor) -> Images:
    if isinstance(images, Tensors):
        return Tensors(images.images[order], images.labels[order])
    return _Chosen(images, order.tolist())


@dataclass(frozen=True)
class _Chosen:
    """Some pictures of a data set."""

    pictures: Pictures
    indices: list[int]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int, /) -> tuple[Any, Any]:
        return self.pictures[self.indices[index]]

    def filename(self, index: int) -> str | None:
        """The picture's file, where the data set knows it."""
        filename = getattr(self.pictures, "filename", None)
        return filename and filename(self.indices[index])


@dataclass(frozen=True)
class Collate:
    """Pictures, as tensors, and their labels to one batch."""

    targets: Targets

    def __call__(self, samples: Sequence[tuple[Tensor, Any]]) -> tuple[Tensor, Tensor]:
        images, labels = zip(*samples, strict=True)
        return default_collate(list(images)), self.targets(labels)


class ReadablePictures(TorchDataset[tuple[Any, Any]]):
    """Pictures as RGB, through the transform that timm's loader sets.

    Raises `RunError` naming the picture that cannot be read, where timm's own data set would skip it.
    """

    transform: Any = None

    def __init__(self, pictures: Pictures, levels: Levels) -> None:
        self.pictures = pictures
        self.levels = levels

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        try:
            picture, label = self.pictures[index]
            image = to_rgb(picture, self.levels)
        except UsageError as error:  # It says itself which file is wrong, such as a mask.
            raise RunError(str(error)) from error
        except Exception as error:
            raise RunError(complaint(self.pictures, index, error)) from error
        return (image if self.transform is None else self.transform(image)), label
