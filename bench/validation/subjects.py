"""The networks that this machine is asked about: some of every block family, and well-known models."""

from __future__ import annotations

from dataclasses import dataclass

from bench.errors import UsageError

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


def find_subjects(n: int, resolution: int = RESOLUTION) -> list[Subject]:
    """At least `n` networks that the presets draw with seed 0, as many of each family, and then `MODELS`.

    Raises `UsageError` for a negative number.
    """
    from bench.design_space import SPACES
    from bench.design_space.dimension import values_of

    if n < 0:
        raise UsageError(f"--n must be 0 or more, not {n}")
    spaces = [preset.build(resolution, 1000) for preset in SPACES.values()]
    sizes = [len(values_of(space.family)) if space.family is not None else 1 for space in spaces]
    each = -(-n // sum(sizes))
    sampled = [
        # A space deals its families in rounds, one network of each.
        space.sample(0, index)
        for space, size in zip(spaces, sizes, strict=True)
        for index in range(each * size)
    ]
    return [Subject(str(network), network.family) for network in sampled] + [Subject(name, "timm") for name in MODELS]
