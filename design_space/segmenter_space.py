"""Design spaces of networks that tell pixels apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from blockfront.design_space.cnn_space import DesignSpace
from blockfront.design_space.pixel_decoder import PixelDecoder
from blockfront.design_space.seg import SegmentationNetwork
from blockfront.design_space.space import Take
from blockfront.tasks import SEGMENTATION


@dataclass(frozen=True)
class SegmenterSpace(DesignSpace):
    """Segmenters whose backbones are the stems and stages of a `DesignSpace`, all with one decoder.

    `decoder` is that one; `head`, a classifier's, must stay 0. `num_classes` are classes of pixels.

    >>> from blockfront.design_space import PixelDecoder, Stage, choice
    >>> stages = [Stage(1, choice(16, 24), stride=2), Stage(1, choice(32, 48), stride=2)]
    >>> decoder = PixelDecoder("fpn", stages=2, width=32)
    >>> space = SegmenterSpace("tiny", decoder=decoder, family="ir", stages=stages, resolution=32, num_classes=3)
    >>> str(space.sample(seed=0, index=0)).split("/")[-1]
    'fpn_l2_f32'
    """

    places: ClassVar[str] = "pixels"

    decoder: PixelDecoder = field(kw_only=True)
    task: str | None = field(default=SEGMENTATION, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_body("segmenters", "decoder", self.decoder.stages)

    def make(self, take: Take) -> SegmentationNetwork:
        return SegmentationNetwork(*super().make_body(take), self.decoder, task=self.task_of_networks)

    def parts(self) -> dict[str, Any]:
        return {**super().parts(), "decoder": str(self.decoder)}
