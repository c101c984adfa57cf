"""Networks that tell pixels apart: the stem and the stages of a convolutional network, and a decoder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from torch import nn

from blockfront.design_space.network import KINDS
from blockfront.design_space.pixel_decoder import PixelDecoder
from blockfront.design_space.segmenter import LABELS_MAY_DIFFER, Labels, Segmenter, build_decoder
from blockfront.design_space.staged import StagedNetwork
from blockfront.signature import Signature
from blockfront.tasks import SEGMENTATION


@dataclass(frozen=True)
class SegmentationNetwork(StagedNetwork):
    """A segmenter of convolutional blocks.

    Its text form is `seg_64_s7/stem_.../<stages>/fpn_l4_f48`, the last segment a `PixelDecoder`'s.
    """

    places: ClassVar[str] = "pixels"
    form: ClassVar[str] = "seg_<resolution>_s<classes>/stem_.../<stage>/<decoder>"
    parse_attached = staticmethod(PixelDecoder.parse)
    build_attached = staticmethod(build_decoder)

    decoder: PixelDecoder
    task: str = field(default=SEGMENTATION, kw_only=True)
    kind: Literal["seg"] = "seg"

    @property
    def attached(self) -> PixelDecoder:
        return self.decoder

    @property
    def answer(self) -> str:
        """What a target gives of an image: logits or labels, and of how many pixels."""
        side = self.backbone[1][-self.decoder.stages] if self.decoder.answer == "labels" else self.resolution
        return f"{self.decoder.answer} {side} × {side}"

    @property
    def signature(self) -> Signature:
        image = super().signature
        return replace(image, tolerances=LABELS_MAY_DIFFER) if self.decoder.answer == "labels" else image

    def build(self) -> nn.Module:
        return Segmenter(self.stem, self.stages, self.decoder, self.num_classes)

    def deploying(self, module: nn.Module, artefact: Any = None) -> nn.Module:
        """As of every network; it gives logits of all pixels, or labels as its decoder says."""
        module = super().deploying(module, artefact)
        return Labels(module).eval() if self.decoder.answer == "labels" else module


KINDS.add("seg", SegmentationNetwork)
