"""Batches of normalised images: pictures through timm's loaders, in-memory images warped in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from timm.data import create_loader, resolve_data_config
from timm.data.random_erasing import RandomErasing
from torch import Tensor, nn
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import default_collate

from blockfront.errors import RunError
from blockfront.training.datasets import Images, Pictures, Tensors
from blockfront.training.decoding import Levels, to_rgb
from blockfront.training.recipe import Recipe
from blockfront.training.survey import complaint

EVAL_BATCH = 128
ROTATION_DEGREES, ZOOM, SHIFT = 10.0, 0.1, 0.05
SMALLEST_CROP = 0.65
COLOR_JITTER = 0.2
UNCROPPED_UP_TO = 64

Targets = Callable[[Sequence[Any] | Tensor], Tensor]
"""From the labels of N images to what the task's loss takes, (N, ...): `Dataset.targets`."""


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
    workers: int = 0,
) -> Loader:
    """Shuffled, augmented batches of one size; a last batch that is not full is dropped.

    `flip` and `moves`: whether pictures keep their labels when they are mirrored, and when they are moved a little.
    """
    statistics, images = images, evenly_spaced(images, recipe.images)
    batch_size = min(recipe.batch_size, len(images))
    moved = recipe.augment if moves else 0.0
    mirrored = flip and recipe.augment > 0
    if isinstance(images, Tensors):
        assert isinstance(statistics, Tensors)
        erased = RandomErasing(recipe.random_erasing, mode="pixel", device="cpu") if recipe.random_erasing else None
        return TensorBatches(
            images, statistics, views.resolution, batch_size, targets, moved, True, flip=mirrored, erase=erased
        )
    return create_loader(
        ReadablePictures(images, views.levels),
        input_size=(3, views.resolution, views.resolution),
        batch_size=batch_size,
        is_training=True,
        no_aug=recipe.augment == 0 and recipe.auto_augment is None and recipe.random_erasing == 0,
        scale=(max(0.08, 1 - (1 - SMALLEST_CROP) * moved), 1.0),
        hflip=0.5 if mirrored else 0.0,
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
    batch_size: int = EVAL_BATCH,
    workers: int = 0,
) -> Loader:
    """Every image once, in order. In-memory images are normalised by the training images' statistics."""
    if isinstance(images, Tensors):
        assert isinstance(train_images, Tensors)
        return TensorBatches(images, train_images, views.resolution, batch_size, targets, 0.0, False)
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
        except Exception as error:
            raise RunError(complaint(self.pictures, index, error)) from error
        return (image if self.transform is None else self.transform(image)), label


@dataclass(frozen=True)
class TensorBatches:
    """In-memory images, each batch warped and resized to the input in one step.

    `statistics` gives mean and standard deviation, one each over all its pixels. With `flip` half of the images are
    mirrored; `erase` takes a batch. Order, warps and mirroring are drawn from torch's global generator.
    """

    data: Tensors
    statistics: Tensors
    resolution: int
    batch_size: int
    targets: Targets
    augment: float
    training: bool
    flip: bool = False
    erase: Callable[[Tensor], Tensor] | None = None

    def __len__(self) -> int:
        full, rest = divmod(len(self.data), self.batch_size)
        return full + (not self.training and rest > 0)

    @cached_property
    def _spread(self) -> tuple[Tensor, Tensor]:
        return spread(self.statistics)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        std, mean = self._spread
        count = len(self.data)
        order = torch.randperm(count) if self.training else torch.arange(count)
        for step in range(len(self)):
            chosen = order[step * self.batch_size : (step + 1) * self.batch_size]
            images = warp(unit(self.data.images[chosen]), self.resolution, self.augment)
            if self.flip:
                images = torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images)
            images = ((images - mean) / std).expand(-1, 3, -1, -1)
            if self.erase is not None:
                images = self.erase(images.contiguous())
            yield images, self.targets(self.data.labels[chosen])


def unit(images: Tensor) -> Tensor:
    """Bytes as numbers from 0 to 1; numbers as they are."""
    return images.float() / 255 if images.dtype == torch.uint8 else images


def spread(data: Tensors) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean over all pixels."""
    if data.images.dtype != torch.uint8:
        return torch.std_mean(data.images)
    # in blocks, because bincount takes eight bytes a pixel
    blocks = [torch.bincount(block.flatten(), minlength=256) for block in data.images.split(1000)]
    counts = torch.stack(blocks).sum(dim=0).double()
    levels = torch.arange(256) / 255.0
    mean = (counts * levels).sum() / counts.sum()
    variance = (counts * (levels - mean) ** 2).sum() / (counts.sum() - 1)
    return variance.sqrt().float(), mean.float()


def warp(images: Tensor, resolution: int, strength: float) -> Tensor:
    """Resize (N, C, H, W) to (N, C, resolution, resolution), under a random rotation, zoom and shift.

    At `strength` 1 up to 10 degrees, a tenth of the scale and a twentieth of the width; at 0 a plain bilinear
    resize.
    Beyond the border, the border's pixels go on.
    """
    count = len(images)
    angle, zoom, right, down = torch.rand(4, count) * 2 * strength - strength
    angle, zoom = torch.deg2rad(angle * ROTATION_DEGREES), 1 + zoom * ZOOM
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    # affine_grid spans -1 to 1, twice the share of the width
    rows = (cos, -sin, 2 * SHIFT * right, sin, cos, 2 * SHIFT * down)
    theta = torch.stack(rows, dim=1).view(count, 2, 3)
    grid = F.affine_grid(theta, [count, 1, resolution, resolution], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
