"""Vision transformers that find boxes, plain or with tokens reduced, and spaces of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from timm.models.vision_transformer import VisionTransformer
from torch import nn

from blockfront.design_space.anchor_network import AnchorNetwork
from blockfront.design_space.cost import head_cost
from blockfront.design_space.detector_head import DetectorHead
from blockfront.design_space.network import KINDS
from blockfront.design_space.space import Take
from blockfront.design_space.text import match_segment
from blockfront.design_space.vit import VitNetwork
from blockfront.design_space.vit_detector import RasterHead, RasterHeads, VitDetector
from blockfront.design_space.vit_space import TransformerSpace
from blockfront.errors import UsageError
from blockfront.results.cost import Cost
from blockfront.tasks import DETECTION

FINEST = (1, 2, 4)
"""How many pixels of the finest level a patch may be wide."""


@dataclass(frozen=True)
class VitDetectionNetwork(AnchorNetwork, VitNetwork):
    """A vision transformer whose patches are the map that a `DetectorHead` has its levels from.

    `stride`, in pixels, is that of the finest level: a patch, a half or a quarter of one; each of the head's `stages`
    is half as large as the one before. The text form is that of a `VitNetwork` with another start, and the stride and
    the head behind: `vitdet_96_d6/p8_d6_w64_h2_m4/cropr_r12/sfp_s8/ssdlite_l3_f48_x64_s...`.
    """

    pooling: ClassVar[str] = ""

    stride: int = field(kw_only=True)
    kind: Literal["vitdet"] = "vitdet"  # type: ignore[assignment]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stride * self.patch == 0 or self.patch % self.stride or self.patch // self.stride not in FINEST:
            raise UsageError(
                f"the finest level of patches of {self.patch} pixels has a stride of the patch, a half or a quarter of "
                f"it, not {self.stride}"
            )
        if self.width < self.patch // self.stride:
            raise UsageError(f"a width of {self.width} leaves nothing of a channel at stride {self.stride}; raise one")

    @property
    def sides(self) -> tuple[int, ...]:
        return self._raster_head.sides(self._side)

    @property
    def handed_out(self) -> tuple[tuple[int, int], ...]:
        return ((self.width, self._side),)

    @property
    def layers_cost(self) -> Cost:
        head = head_cost(RasterHeads, self._raster_head, (self.width,), (self._side,), self.num_classes)
        return super().layers_cost + head

    def build(self) -> nn.Module:
        return VitDetector.of(super().build(), self.build_head(), self.head.anchors(self.sides))

    def build_head(self) -> RasterHeads:
        return RasterHeads(self._raster_head, (self.width,), self.num_classes)

    @property
    def _side(self) -> int:
        """Patches a side."""
        return self.resolution // self.patch

    @property
    def _raster_head(self) -> RasterHead:
        return RasterHead(self.head, FINEST.index(self.patch // self.stride))

    def _logits(self, tokens: int) -> int:
        return 0

    def _transformer(self, depth: int) -> VisionTransformer:
        backbone = super()._transformer(depth)
        backbone.head = nn.Identity()
        return backbone

    def __str__(self) -> str:
        return f"{super().__str__()}/sfp_s{self.stride}/{self.head}"

    @classmethod
    def parse_fields(cls, segments: list[str]) -> dict[str, Any]:
        if len(segments) < 4:
            form = "vitdet_<resolution>_d<classes>/p...[/<method>]/sfp_s<stride>/<head>"
            raise UsageError(f"network {'/'.join(segments)!r} is not {form}")
        *body, pyramid, head = segments
        (stride,) = match_segment(pyramid, r"sfp_s(\d+)", "sfp_s<stride of the finest level>")
        return {**super().parse_fields(body), "stride": int(stride), "head": DetectorHead.parse(head)}


@dataclass(frozen=True)
class VitDetectionSpace(TransformerSpace):
    """A `TransformerSpace` of networks that find boxes, all with one head on levels of the same strides.

    `stride`, in pixels, is that of the finest level, `detector` the head. `num_classes` are kinds of objects.

    >>> from blockfront.design_space import DetectorHead, Reduction, integer
    >>> reductions = [Reduction("none"), Reduction("random", r=integer(1, 4), fusion="last")]
    >>> sizes = {"patch": 8, "depth": 4, "width": 64, "head_width": 32, "reductions": reductions}
    >>> head = DetectorHead.of("ssdlite", stages=2, fpn=32)
    >>> space = VitDetectionSpace("tiny", resolution=32, num_classes=3, stride=8, detector=head, **sizes)
    >>> str(space.sample(seed=0, index=0)).split("/")[-2:]
    ['sfp_s8', 'ssdlite_l2_f32_sabcdef.abcdef']
    """

    places: ClassVar[str] = "boxes"

    stride: int = field(kw_only=True)
    detector: DetectorHead = field(kw_only=True)
    task: str | None = field(default=DETECTION, kw_only=True)

    def make(self, take: Take) -> VitDetectionNetwork:
        return self.make_as(VitDetectionNetwork, take, stride=self.stride, head=self.detector)

    def parts(self) -> dict[str, Any]:
        return {**super().parts(), "stride": self.stride, "detector": str(self.detector)}


KINDS.add("vitdet", VitDetectionNetwork)
