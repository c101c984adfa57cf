"""Networks that tell pixels apart: the stem and the stages of a convolutional network, and a decoder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

from torch import nn

from blockfront.design_space.build import check_strides, family_of_stages
from blockfront.design_space.cost import backbone_cost, head_cost
from blockfront.design_space.network import KINDS, ImageNetwork
from blockfront.design_space.pixel_decoder import PixelDecoder
from blockfront.design_space.segmenter import LABELS_MAY_DIFFER, Labels, Segmenter, build_decoder
from blockfront.design_space.spec import StageSpec, Stem
from blockfront.design_space.text import format_segments, format_start, parse_body, parse_start
from blockfront.errors import UsageError
from blockfront.results.cost import Cost
from blockfront.signature import Signature
from blockfront.tasks import SEGMENTATION


@dataclass(frozen=True)
class SegmentationNetwork(ImageNetwork):
    """A segmenter of convolutional blocks; raises `UsageError` for a decoder that asks for more stages than there are.

    Its text form is `seg_64_s7/stem_.../<stages>/fpn_l4_f48`, the last segment a `PixelDecoder`'s.
    """

    places: ClassVar[str] = "pixels"

    stem: Stem
    stages: tuple[StageSpec, ...]
    decoder: PixelDecoder
    task: str = field(default=SEGMENTATION, kw_only=True)
    kind: Literal["seg"] = "seg"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_strides(self.resolution, self.stem, self.stages)
        if self.decoder.stages > len(self.stages):
            raise UsageError(f"{self.decoder} takes the outputs of {self.decoder.stages} stages, and there are fewer")

    @property
    def family(self) -> str:
        """The block type its backbone is made of, or "mixed"."""
        return family_of_stages(self.stages)

    @property
    def answer(self) -> str:
        """What a target gives of an image: logits or labels, and of how many pixels."""
        side = self._backbone[1][-self.decoder.stages] if self.decoder.answer == "labels" else self.resolution
        return f"{self.decoder.answer} {side} × {side}"

    @property
    def signature(self) -> Signature:
        image = super().signature
        return replace(image, tolerances=LABELS_MAY_DIFFER) if self.decoder.answer == "labels" else image

    @cached_property
    def _backbone(self) -> tuple[Cost, tuple[int, ...]]:
        return backbone_cost(self.resolution, self.stem, self.stages)

    @property
    def layers_cost(self) -> Cost:
        backbone, sides = self._backbone
        attached = self.decoder.stages
        widths = tuple(stage.width for stage in self.stages[-attached:])
        return backbone + head_cost(build_decoder, self.decoder, widths, sides[-attached:], self.num_classes)

    def build(self) -> nn.Module:
        return Segmenter(self.stem, self.stages, self.decoder, self.num_classes)

    def deploying(self, module: nn.Module, artefact: Any = None) -> nn.Module:
        """As of every network; it gives logits of all pixels, or labels as its decoder says."""
        module = super().deploying(module, artefact)
        return Labels(module).eval() if self.decoder.answer == "labels" else module

    def __str__(self) -> str:
        start = format_start(self.kind, self.resolution, self.num_classes, self.task)
        return format_segments(start, self.stem, self.stages, str(self.decoder))

    @classmethod
    def from_segments(cls, segments: list[str]) -> SegmentationNetwork:
        if len(segments) < 4:
            text = "/".join(segments)
            raise UsageError(f"network {text!r} needs at least seg_<resolution>_s<classes>/stem_.../<stage>/<decoder>")
        resolution, num_classes, task = parse_start("seg", segments[0])
        stem, stages = parse_body(segments[1:-1])
        return cls(resolution, num_classes, stem, stages, PixelDecoder.parse(segments[-1]), task=task)


KINDS.add("seg", SegmentationNetwork)
