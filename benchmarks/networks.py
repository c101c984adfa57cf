"""The networks that benchmarks run: timm's, torchvision's, and those of design spaces."""

from __future__ import annotations

import timm
import torch
from slicing import SUFFIX, find_sliced
from torch import nn
from torchvision import models as torchvision_models

from blockfront.blocks.deployment import fuse_branches
from blockfront.design_space.image_size import ImageSize
from blockfront.design_space.models import Model, find_model
from blockfront.targets.compiler.randomize import randomize_constants


def find(name: str, resolution: int) -> Model:
    """What `bench profile` takes, a torchvision model's name as it is, or a reduced network's text with `/sliced`.

    Raises UsageError for anything else.
    """
    if name.endswith(SUFFIX):
        return find_sliced(name, resolution)
    in_torchvision = name in torchvision_models.list_models(module=torchvision_models) and not timm.is_model(name)
    return find_model(f"torchvision:{name}" if in_torchvision else name, ImageSize(resolution, resolution))


def create(name: str, resolution: int) -> nn.Module:
    """The network as it is deployed, with the same random weights in every process."""
    torch.manual_seed(0)
    module = find(name, resolution).build()
    randomize_constants(module, 0)
    return fuse_branches(module)
