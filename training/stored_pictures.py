"""Pictures whose pixels are as they are stored, because something refers to those."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from PIL import ExifTags, Image
from torch import Tensor

from blockfront.training.datasets import Pictures


def open_stored(path: str) -> Image.Image:
    """The picture of a file, which is not turned upright later, whatever EXIF says of how a viewer shows it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of odd metadata, which say nothing of the pixels.
        image = Image.open(path)
        image.getexif().pop(ExifTags.Base.Orientation, None)
    return image


def in_memory(pictures: Pictures) -> tuple[Tensor, list[Any]]:
    """All images of one size (N, 3, H, W) as bytes, and what is said of each."""
    found = [pictures[index] for index in range(len(pictures))]
    stacked = torch.from_numpy(np.stack([np.asarray(image.convert("RGB")) for image, _ in found]))
    return stacked.permute(0, 3, 1, 2).contiguous(), [label for _, label in found]
