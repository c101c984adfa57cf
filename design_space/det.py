"""Detectors: the stem and the stages of a convolutional network, and a head that finds boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import nn

from blockfront.design_space.anchor_network import AnchorNetwork
from blockfront.design_space.detector import Detector, LevelHeads
from blockfront.design_space.detector_head import DetectorHead
from blockfront.design_space.network import KINDS
from blockfront.design_space.staged import StagedNetwork


@dataclass(frozen=True)
class DetectionNetwork(AnchorNetwork, StagedNetwork):
    """A detector of convolutional blocks.

    Its text form is `det_96_d6/stem_.../<stages>/ssdlite_l3_f48_x64_s...`, the last segment a `DetectorHead`'s.
    """

    form: ClassVar[str] = "det_<resolution>_d<classes>/stem_.../<stage>/<head>"
    parse_attached = staticmethod(DetectorHead.parse)
    build_attached = staticmethod(LevelHeads)

    head: DetectorHead
    kind: Literal["det"] = "det"

    @property
    def attached(self) -> DetectorHead:
        return self.head

    @property
    def sides(self) -> tuple[int, ...]:
        return self.backbone[1]

    @property
    def handed_out(self) -> tuple[tuple[int, int], ...]:
        count = self.head.stages
        return tuple((stage.width, side) for stage, side in zip(self.stages[-count:], self.sides[-count:], strict=True))

    def build(self) -> nn.Module:
        return Detector(self.stem, self.stages, self.head, self.num_classes, self.sides)

    def build_head(self) -> nn.Module:
        return LevelHeads(self.head, [width for width, _ in self.handed_out], self.num_classes)


KINDS.add("det", DetectionNetwork)
