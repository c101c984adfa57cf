"""Detectors: the stem and the stages of a convolutional network, and a head that finds boxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

from torch import nn

from blockfront.design_space.build import check_strides, family_of_stages
from blockfront.design_space.cost import backbone_cost, head_cost
from blockfront.design_space.detector import AnchorsApart, Detector, LevelHeads
from blockfront.design_space.detector_head import DetectorHead
from blockfront.design_space.network import KINDS, ImageNetwork
from blockfront.design_space.spec import StageSpec, Stem
from blockfront.design_space.text import format_segments, format_start, parse_body, parse_start
from blockfront.errors import UsageError
from blockfront.results.cost import Cost
from blockfront.tasks import DETECTION


@dataclass(frozen=True)
class DetectionNetwork(ImageNetwork):
    """A detector of convolutional blocks; raises `UsageError` for a head that asks for more stages than there are.

    Its text form is `det_96_d6/stem_.../<stages>/ssdlite_l3_f48_x64_s...`, the last segment a `DetectorHead`'s.
    """

    places: ClassVar[str] = "boxes"

    stem: Stem
    stages: tuple[StageSpec, ...]
    head: DetectorHead
    task: str = field(default=DETECTION, kw_only=True)
    kind: Literal["det"] = "det"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_strides(self.resolution, self.stem, self.stages)
        if self.head.stages > len(self.stages):
            raise UsageError(f"{self.head} takes the outputs of {self.head.stages} stages, and there are fewer")

    @property
    def family(self) -> str:
        """The block type its backbone is made of, or "mixed"."""
        return family_of_stages(self.stages)

    @property
    def boxes(self) -> int:
        """How many anchors an image has."""
        return self.head.boxes(self._backbone[1])

    @property
    def maps(self) -> tuple[int, ...]:
        """Height and width of each level."""
        return self.head.maps(self._backbone[1])

    @cached_property
    def _backbone(self) -> tuple[Cost, tuple[int, ...]]:
        return backbone_cost(self.resolution, self.stem, self.stages)

    @property
    def layers_cost(self) -> Cost:
        backbone, sides = self._backbone
        attached = self.head.stages
        widths = tuple(stage.width for stage in self.stages[-attached:])
        return backbone + head_cost(LevelHeads, self.head, widths, sides[-attached:], self.num_classes)

    def build(self) -> nn.Module:
        return Detector(self.stem, self.stages, self.head, self.num_classes, self._backbone[1])

    def deploying(self, module: nn.Module, artefact: Any = None) -> nn.Module:
        """As of every network; it gives logits and encoded boxes, and no anchors."""
        return AnchorsApart(super().deploying(module, artefact)).eval()

    def __str__(self) -> str:
        start = format_start(self.kind, self.resolution, self.num_classes, self.task)
        return format_segments(start, self.stem, self.stages, str(self.head))

    @classmethod
    def from_segments(cls, segments: list[str]) -> DetectionNetwork:
        if len(segments) < 4:
            text = "/".join(segments)
            raise UsageError(f"network {text!r} needs at least det_<resolution>_d<classes>/stem_.../<stage>/<head>")
        resolution, num_classes, task = parse_start("det", segments[0])
        stem, stages = parse_body(segments[1:-1])
        return cls(resolution, num_classes, stem, stages, DetectorHead.parse(segments[-1]), task=task)


KINDS.add("det", DetectionNetwork)
