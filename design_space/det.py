"""Detectors: the stem and the stages of a convolutional network, and a head that finds boxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from torch import nn

from blockfront.design_space.detector import AnchorsApart, Detector, LevelHeads
from blockfront.design_space.detector_head import DetectorHead
from blockfront.design_space.network import KINDS
from blockfront.design_space.staged import StagedNetwork
from blockfront.tasks import DETECTION


@dataclass(frozen=True)
class DetectionNetwork(StagedNetwork):
    """A detector of convolutional blocks.

    Its text form is `det_96_d6/stem_.../<stages>/ssdlite_l3_f48_x64_s...`, the last segment a `DetectorHead`'s.
    """

    places: ClassVar[str] = "boxes"
    form: ClassVar[str] = "det_<resolution>_d<classes>/stem_.../<stage>/<head>"
    parse_attached = staticmethod(DetectorHead.parse)
    build_attached = staticmethod(LevelHeads)

    head: DetectorHead
    task: str = field(default=DETECTION, kw_only=True)
    kind: Literal["det"] = "det"

    @property
    def attached(self) -> DetectorHead:
        return self.head

    @property
    def boxes(self) -> int:
        """How many anchors an image has."""
        return self.head.boxes(self.backbone[1])

    @property
    def maps(self) -> tuple[int, ...]:
        """Height and width of each level."""
        return self.head.maps(self.backbone[1])

    def build(self) -> nn.Module:
        return Detector(self.stem, self.stages, self.head, self.num_classes, self.backbone[1])

    def deploying(self, module: nn.Module, artefact: Any = None) -> nn.Module:
        """As of every network; it gives logits and encoded boxes, and no anchors."""
        return AnchorsApart(super().deploying(module, artefact)).eval()


KINDS.add("det", DetectionNetwork)
