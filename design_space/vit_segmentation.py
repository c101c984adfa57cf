"""Vision transformers that segment, plain or with tokens reduced, and spaces of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from torch import nn

from blockfront.blocks.tokens import PatchSegmenter
from blockfront.design_space.network import KINDS
from blockfront.design_space.vit import VitNetwork
from blockfront.design_space.vit_space import TransformerSpace
from blockfront.tasks import SEGMENTATION


@dataclass(frozen=True)
class VitSegmentationNetwork(VitNetwork):
    """A vision transformer whose head, one linear layer, says of every patch what it shows, enlarged to the image.

    Logits are of all patches whatever is done with tokens: `blockfront.blocks.tokens.PatchSegmenter`. Its text form
    is that of a `VitNetwork` after another start, `vitseg_96_s7/p8_d6_w64_h2_m4/cropr_r12`.
    """

    places: ClassVar[str] = "pixels"
    pooling: ClassVar[str] = ""

    task: str = field(default=SEGMENTATION, kw_only=True)
    kind: Literal["vitseg"] = "vitseg"  # type: ignore[assignment]

    def build(self) -> nn.Module:
        return PatchSegmenter.of(super().build())


@dataclass(frozen=True)
class VitSegmentationSpace(TransformerSpace):
    """A `TransformerSpace` of networks that segment; `num_classes` are classes of pixels.

    >>> from blockfront.design_space import Reduction, integer
    >>> reductions = [Reduction("none"), Reduction("random", r=integer(1, 4), fusion="last")]
    >>> sizes = {"patch": 8, "depth": 4, "width": 64, "head_width": 32}
    >>> space = VitSegmentationSpace("tiny", resolution=32, num_classes=3, reductions=reductions, **sizes)
    >>> str(space.sample(seed=0, index=0)).split("/")[0]
    'vitseg_32_s3'
    """

    places: ClassVar[str] = "pixels"
    network_type: ClassVar[type[VitNetwork]] = VitSegmentationNetwork

    task: str | None = field(default=SEGMENTATION, kw_only=True)


KINDS.add("vitseg", VitSegmentationNetwork)
