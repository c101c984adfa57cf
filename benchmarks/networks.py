"""The networks that benchmarks run: timm's, torchvision's, and some of every block family."""

from __future__ import annotations

from collections.abc import Sequence

import timm
import torch
from slicing import SUFFIX, find_sliced
from torch import nn
from torchvision import models as torchvision_models

from bench.blocks.deployment import fuse_branches
from bench.design_space import SPACES
from bench.design_space.dimension import values_of
from bench.models import Model, find_model
from bench.registry import Registry
from bench.targets.randomize import randomize_statistics


def find(name: str, resolution: int) -> Model:
    """What `bench profile` takes, a torchvision model's name as it is, or a reduced network's text with `/sliced`.

    Raises UsageError for anything else.
    """
    if name.endswith(SUFFIX):
        return find_sliced(name, resolution)
    in_torchvision = name in torchvision_models.list_models(module=torchvision_models) and not timm.is_model(name)
    return find_model(f"torchvision:{name}" if in_torchvision else name, resolution)


def create(name: str, resolution: int) -> nn.Module:
    """The network as it is deployed, with the same random weights in every process."""
    torch.manual_seed(0)
    module = find(name, resolution).build()
    randomize_statistics(module, 0)
    return fuse_branches(module)


def sample(count: int, families: Sequence[str], resolution: int) -> dict[str, tuple[str, ...]]:
    """The texts of the first `count` networks of each family that the presets draw with seed 0.

    Without `families`, all. Raises UsageError for an unknown one.
    """
    found: Registry[tuple[str, ...]] = Registry("block family")
    for preset in SPACES.values():
        space = preset.build(resolution, 1000)
        its = [str(family) for family in values_of(space.family)] if space.family is not None else []
        # A space deals its families in rounds, one network of each.
        networks = [space.sample(0, index) for index in range(count * len(its))]
        for family in its:
            found.add(family, tuple(str(network) for network in networks if network.family == family))
    return {family: found[family] for family in families or found}
