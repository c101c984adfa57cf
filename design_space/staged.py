"""Networks with the stem and the stages of a convolutional network, and a head that takes several stages' outputs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

from torch import nn

from blockfront.design_space.build import check_strides, family_of_stages
from blockfront.design_space.cost import backbone_cost, head_cost
from blockfront.design_space.network import ImageNetwork
from blockfront.design_space.spec import StageSpec, Stem
from blockfront.design_space.text import format_segments, format_start, parse_body, parse_start
from blockfront.errors import UsageError
from blockfront.plurals import counted
from blockfront.results.cost import Cost


@dataclass(frozen=True)
class StagedNetwork(ImageNetwork):
    """A kind of such networks; raises `UsageError` for a head that asks for more stages than there are.

    A kind says the `form` of its text, whose last segment is the head's.
    """

    form: ClassVar[str]

    stem: Stem
    stages: tuple[StageSpec, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_strides(self.resolution, self.stem, self.stages)
        if self.attached.stages > len(self.stages):
            raise UsageError(
                f"{self.attached} takes the outputs of {counted(self.attached.stages, 'stage')}, and there are fewer"
            )

    @property
    @abstractmethod
    def attached(self) -> Any:
        """The head as data, which takes the outputs of the last `stages` stages."""

    @staticmethod
    @abstractmethod
    def parse_attached(segment: str, /) -> Any:
        """The head with this text form; raises `UsageError` that shows it."""

    @staticmethod
    @abstractmethod
    def build_attached(attached: Any, widths: Sequence[int], num_classes: int, /) -> nn.Module:
        """The module of a head on stages of these widths, the finest first."""

    @property
    def family(self) -> str:
        """The block type its backbone is made of, or "mixed"."""
        return family_of_stages(self.stages)

    @cached_property
    def backbone(self) -> tuple[Cost, tuple[int, ...]]:
        """What stem and stages cost, and the side of the output of each."""
        return backbone_cost(self.resolution, self.stem, self.stages)

    @property
    def layers_cost(self) -> Cost:
        cost, sides = self.backbone
        count = self.attached.stages
        widths = tuple(stage.width for stage in self.stages[-count:])
        return cost + head_cost(self.build_attached, self.attached, widths, sides[-count:], self.num_classes)

    def __str__(self) -> str:
        start = format_start(self.form.partition("_")[0], self.resolution, self.num_classes, self.task)
        return format_segments(start, self.stem, self.stages, str(self.attached))

    @classmethod
    def from_segments(cls, segments: list[str]) -> Self:
        if len(segments) < 4:
            raise UsageError(f"network {'/'.join(segments)!r} needs at least {cls.form}")
        resolution, num_classes, task = parse_start(cls.form.partition("_")[0], segments[0])
        stem, stages = parse_body(segments[1:-1])
        attached = cls.parse_attached(segments[-1])
        return cls(resolution, num_classes, stem, stages, attached, task=task)  # type: ignore[misc]
