"""The networks that this machine is asked about: some of every block family, and well-known models."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blockfront.errors import UsageError
from blockfront.registry import Registry

if TYPE_CHECKING:
    from blockfront.design_space import Space

RESOLUTION = 224
MODELS = (
    *("mobilenetv2_100", "mobilenetv3_large_100", "mobilenetv4_conv_small", "efficientnet_b0", "ghostnet_100"),
    *("mobileone_s0", "resnet18", "resnet50", "regnety_004", "convnext_atto", "vit_tiny_patch16_224"),
    "deit_small_patch16_224",
)
"""timm's names."""


@dataclass(frozen=True)
class Subject:
    """A network by what `bench profile` takes for it, and its family; "timm" is the family of those of timm."""

    network: str
    family: str


def preset_families(resolution: int = RESOLUTION) -> Registry[Space]:
    """Every family of the presets that have networks for images of this size, and the first space that draws it."""
    from blockfront.design_space import SPACES
    from blockfront.design_space.dimension import values_of

    found: Registry[Space] = Registry("block family")
    for preset in SPACES.values():
        try:
            space = preset.build(resolution, 1000)
        except UsageError:
            continue
        for family in values_of(space.family) if space.family is not None else ():
            if str(family) not in found:
                found.add(str(family), space)
    return found


def draw_family(family: str, space: Space, count: int) -> list[str]:
    """The texts of the first `count` networks of a family that its space draws with seed 0."""
    drawn = (str(network) for index in itertools.count() if (network := space.sample(0, index)).family == family)
    return list(itertools.islice(drawn, count))


def find_subjects(n: int, resolution: int = RESOLUTION) -> list[Subject]:
    """At least `n` networks that the presets draw with seed 0, as many of each family in turn, and then `MODELS`.

    Raises `UsageError` for a negative number.
    """
    if n < 0:
        raise UsageError(f"--n must be 0 or more, not {n}")
    families = preset_families(resolution)
    each = -(-n // len(families))
    drawn = [[Subject(text, family) for text in draw_family(family, space, each)] for family, space in families.items()]
    in_turn = [subject for subjects in zip(*drawn, strict=True) for subject in subjects]
    return in_turn + [Subject(name, "timm") for name in MODELS]
