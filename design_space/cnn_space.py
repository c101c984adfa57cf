"""Design spaces of convolutional networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from timm.layers import make_divisible

from blockfront.blocks import BLOCKS
from blockfront.design_space.cnn import CnnNetwork
from blockfront.design_space.dimension import Field, check_whole, values_of
from blockfront.design_space.network import Network
from blockfront.design_space.space import Space, Take, describe_field
from blockfront.design_space.spec import Head, StageSpec, Stem
from blockfront.design_space.stage import Stage, check_stage
from blockfront.errors import UsageError


@dataclass(frozen=True)
class DesignSpace(Space):
    """Networks of a stem, stages and a head; every field is a constant or a dimension (`choice`, `integer`).

    `stem` and `head` are widths (a head of 0 has no convolution). `family` gives one block type to the whole
    network; `Stage(block=...)` gives a stage its own. `constraints` maps macs, params or activations to (low,
    high), both allowed. `multiplier` scales the widths of all stages, rounded to multiples of 8 (the width
    multiplier of MobileNet, arXiv:1704.04861), so that cheap and costly blocks reach the same costs. Raises
    `UsageError` for what no network could have.

    >>> from blockfront.design_space import choice, integer
    >>> stage = Stage(depth=integer(1, 3), width=integer(16, 32, step=8), stride=2)
    >>> space = DesignSpace("tiny", resolution=32, family=choice("ir", "ghost"), stages=[stage])
    >>> space.sample(seed=0, index=17).resolution
    32
    """

    stem: Field = field(default=16, kw_only=True)
    stem_kernel: Field = field(default=3, kw_only=True)
    stem_stride: Field = field(default=2, kw_only=True)
    stem_act: Field = field(default="relu", kw_only=True)
    stem_pool: Field = field(default=False, kw_only=True)
    family: Field | None = field(default=None, kw_only=True)
    stages: Sequence[Stage] = field(default=(), kw_only=True)
    multiplier: Field = field(default=1.0, kw_only=True)
    head: Field = field(default=0, kw_only=True)
    head_act: Field = field(default="relu", kw_only=True)
    fitted: ClassVar[tuple[str, ...]] = ("multiplier",)

    def __post_init__(self) -> None:
        if not self.stages:
            raise UsageError(f"design space {self.name!r} needs at least one Stage")
        super().__post_init__()
        for name, least in (("stem", 1), ("head", 0)):
            check_whole(name, getattr(self, name), least)
        check_whole("stem_kernel", self.stem_kernel)
        check_whole("stem_stride", self.stem_stride)
        for multiplier in values_of(self.multiplier):
            if isinstance(multiplier, bool | str) or not multiplier > 0:
                raise UsageError(f"multiplier is a number above 0, not {multiplier!r}")
        for block in values_of(self.family) if self.family is not None else ():
            BLOCKS[str(block)]
        for number, stage in enumerate(self.stages, 1):
            check_stage(stage, number, self.family)

    def check_body(self, of: str, kind: str, stages: int) -> None:
        """Raise `UsageError` for a classifier's head in a space `of` others, and for fewer stages than are taken."""
        if self.head != 0:
            raise UsageError(f"design space {self.name!r} is of {of}: leave head out, and give a {kind}")
        if stages > len(self.stages):
            raise UsageError(f"design space {self.name!r} has fewer stages than its {kind} takes outputs of")

    def make(self, take: Take) -> Network:
        resolution, num_classes, stem, stages = self.make_body(take)
        head_width = take("head", self.head)
        head = Head(head_width, take("head_act", self.head_act)) if head_width else Head()
        return CnnNetwork(resolution, num_classes, stem, stages, head, task=self.task_of_networks)

    def make_body(self, take: Take) -> tuple[int, int, Stem, tuple[StageSpec, ...]]:
        """Resolution, outputs, stem and stages of a network, of the values that `take` gives."""
        resolution = take("resolution", self.resolution)
        num_classes = take("num_classes", self.num_classes)
        stem = Stem(
            width=take("stem", self.stem),
            kernel=take("stem_kernel", self.stem_kernel),
            stride=take("stem_stride", self.stem_stride),
            act=take("stem_act", self.stem_act),
            pool=take("stem_pool", self.stem_pool),
        )
        uses_family = any(stage.block is None for stage in self.stages)
        family: Any = take("family", self.family) if uses_family and self.family is not None else None
        multiplier = take("multiplier", self.multiplier)
        stages = []
        for number, stage in enumerate(self.stages, 1):
            prefix = f"stage{number}."
            block = family if stage.block is None else take(prefix + "block", stage.block)
            depth = take(prefix + "depth", stage.depth)
            width = take(prefix + "width", stage.width)
            width = width if multiplier == 1 else make_divisible(width * multiplier)
            stride = take(prefix + "stride", stage.stride)
            known = BLOCKS[block].options
            options = {name: take(prefix + name, value) for name, value in stage.options if name in known}
            stages.append(StageSpec.of(block, depth, width, stride, **options))
        return resolution, num_classes, stem, tuple(stages)

    def parts(self) -> dict[str, Any]:
        stages = [
            {name: describe_field(getattr(stage, name)) for name in ("block", "depth", "width", "stride")}
            | {"options": {name: describe_field(value) for name, value in stage.options}}
            for stage in self.stages
        ]
        fields = ["stem", "stem_kernel", "stem_stride", "stem_act", "stem_pool"]
        fields += ["family", "multiplier", "head", "head_act"]
        return {**{name: describe_field(getattr(self, name)) for name in fields}, "stages": stages}
