"""What a design space with a name is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from blockfront.design_space.space import Space
from blockfront.errors import UsageError

MOBILE_FAMILIES = (
    "ds",
    "ir",
    "ir_se",
    "er",
    "uir",
    "ghost",
    "shufflenet_v1",
    "shufflenet_v2",
    "fire",
    "mixconv",
    "rep",
    "convnext",
)
RESNET_FAMILIES = ("basic", "bottleneck", "resnext")


@dataclass(frozen=True)
class Preset:
    """A named space for any input: `build(resolution, num_classes)`, by default of the figures here.

    `dataset` is what its networks are trained on where nobody names a data set, None for the usual one.
    """

    title: str
    build: Callable[[int, int], Space]
    resolution: int = 224
    num_classes: int = 1000
    dataset: str | None = None


def patches_a_side(resolution: int, fewest: int, most: int) -> list[int]:
    """Into how many patches a side, from the fewest to the most, an image can be cut; raises `UsageError` for none."""
    sides = [side for side in range(fewest, most + 1) if resolution % side == 0]
    if not sides:
        raise UsageError(f"no patch divides {resolution} pixels into {fewest} to {most} a side; try 32, 64 or 224")
    return sides
