"""Vision transformers that segment, plain or with tokens reduced, and spaces of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from torch import nn

from blockfront.blocks.tokens import PatchSegmenter, TransformerMacs
from blockfront.design_space.network import KINDS
from blockfront.design_space.segmenter import LABELS_MAY_DIFFER, Labels
from blockfront.design_space.space import Take
from blockfront.design_space.vit import VitNetwork
from blockfront.design_space.vit_space import TransformerSpace
from blockfront.results.cost import Cost
from blockfront.signature import Signature
from blockfront.tasks import SEGMENTATION


@dataclass(frozen=True)
class VitSegmentationNetwork(VitNetwork):
    """A vision transformer whose head, one linear layer, says of every patch what it shows.

    Logits are of all patches whatever is done with tokens: `blockfront.blocks.tokens.PatchSegmenter`. A target gives
    those of all pixels, bilinearly, or with `labels` the class with the largest one, of patches. The text form is that
    of a `VitNetwork` with another start, and another end for labels: `vitseg_96_s7/p8_d6_w64_h2_m4/cropr_r12/labels`.
    """

    places: ClassVar[str] = "pixels"
    pooling: ClassVar[str] = ""

    labels: bool = False
    task: str = field(default=SEGMENTATION, kw_only=True)
    kind: Literal["vitseg"] = "vitseg"  # type: ignore[assignment]

    @property
    def answer(self) -> str:
        """What a target gives of an image: logits or labels, and of how many pixels."""
        side = self.resolution // self.patch if self.labels else self.resolution
        return f"{'labels' if self.labels else 'logits'} {side} × {side}"

    @property
    def signature(self) -> Signature:
        image = super().signature
        return replace(image, tolerances=LABELS_MAY_DIFFER) if self.labels else image

    @property
    def layers_cost(self) -> Cost:
        cost = super().layers_cost
        return replace(cost, head_macs=self.width * self._logits(TransformerMacs.of(self._skeleton).tokens))

    def build(self) -> nn.Module:
        segmenter = PatchSegmenter.of(super().build(), by_patch=self.labels)
        if self.labels:
            # Patches of a new network must differ by their labels, or code that gives these cannot be checked.
            nn.init.normal_(segmenter.backbone.head.weight, std=self.width**-0.5)
        return segmenter

    def deploying(self, module: nn.Module, artefact: Any = None) -> nn.Module:
        """As of every network; it gives logits of all pixels, or labels of patches."""
        module = super().deploying(module, artefact)
        return Labels(module).eval() if self.labels else module

    def __str__(self) -> str:
        return super().__str__() + ("/labels" if self.labels else "")

    @classmethod
    def parse_fields(cls, segments: list[str]) -> dict[str, Any]:
        labels = segments[-1] == "labels"
        return {**super().parse_fields(segments[:-1] if labels else segments), "labels": labels}


@dataclass(frozen=True)
class VitSegmentationSpace(TransformerSpace):
    """A `TransformerSpace` of networks that segment, all deployed for `labels` or none.

    `num_classes` are classes of pixels.

    >>> from blockfront.design_space import Reduction, integer
    >>> reductions = [Reduction("none"), Reduction("random", r=integer(1, 4), fusion="last")]
    >>> sizes = {"patch": 8, "depth": 4, "width": 64, "head_width": 32}
    >>> space = VitSegmentationSpace("tiny", resolution=32, num_classes=3, reductions=reductions, **sizes)
    >>> str(space.sample(seed=0, index=0)).split("/")[0]
    'vitseg_32_s3'
    """

    places: ClassVar[str] = "pixels"

    labels: bool = field(default=False, kw_only=True)
    task: str | None = field(default=SEGMENTATION, kw_only=True)

    def make(self, take: Take) -> VitSegmentationNetwork:
        return self.make_as(VitSegmentationNetwork, take, labels=self.labels)

    def parts(self) -> dict[str, Any]:
        return {**super().parts(), "labels": self.labels}


KINDS.add("vitseg", VitSegmentationNetwork)
