"""Pictures stretched to the input, and changed in batches together with targets that say where things are in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import transforms

from blockfront.training.targets import Mirrored, mirror_half


@dataclass(frozen=True)
class ChangedBatches:
    """Batches of a loader; with `mirrored` half of the images are mirrored, and `erase` takes a batch."""

    loader: DataLoader[tuple[Tensor, Tensor]]
    mirrored: Mirrored | None
    erase: Callable[[Tensor], Tensor] | None

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for images, targets in self.loader:
            if self.mirrored is not None:
                images, targets = mirror_half(images, targets, self.mirrored)
            yield (images if self.erase is None else self.erase(images)), targets


def stretched(resolution: int, mean: Sequence[float], std: Sequence[float], jitter: float) -> Any:
    """A transform from a PIL image to a normalised tensor (3, resolution, resolution)."""
    steps: list[Any] = [transforms.Resize((resolution, resolution), antialias=True)]
    if jitter:
        steps.append(transforms.ColorJitter(jitter, jitter, jitter))
    return transforms.Compose(
        [*steps, transforms.ToTensor(), transforms.Normalize(torch.tensor(mean), torch.tensor(std))]
    )
