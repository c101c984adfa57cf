"""Batches of images that are small enough to stay in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from blockfront.training.datasets import Tensors
from blockfront.training.policies import Policy, under_policy
from blockfront.training.targets import Mirrored, Targets, mirror_half

ROTATION_DEGREES, ZOOM, SHIFT = 10.0, 0.1, 0.05


@dataclass(frozen=True)
class TensorBatches:
    """In-memory images, each batch warped and resized to the input in one step.

    `statistics` gives mean and standard deviation, one each over all its pixels. With `mirrored` half of the images are
    mirrored, and it makes their targets; `erase` takes a batch, and `policy` a picture, before it is warped. Order,
    warps and mirroring are drawn from torch's global generator.
    """

    data: Tensors
    statistics: Tensors
    resolution: int
    batch_size: int
    targets: Targets
    augment: float
    training: bool
    mirrored: Mirrored | None = None
    erase: Callable[[Tensor], Tensor] | None = None
    policy: Policy | None = None

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
            images = unit(self.data.images[chosen])
            if self.policy is not None:
                images = under_policy(images, self.policy)
            images = warp(images, self.resolution, self.augment)
            targets = self.targets(self.data.labels[chosen])
            if self.mirrored is not None:
                images, targets = mirror_half(images, targets, self.mirrored)
            images = ((images - mean) / std).expand(-1, 3, -1, -1)
            if self.erase is not None:
                images = self.erase(images.contiguous())
            yield images, targets


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
