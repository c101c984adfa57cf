"""From the parts of a network that tells pixels apart to a module."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from blockfront.design_space.build import StagedBackbone, initialize
from blockfront.design_space.detector import by_level, conv, predictor, top_down
from blockfront.design_space.pixel_decoder import PixelDecoder
from blockfront.design_space.spec import StageSpec, Stem
from blockfront.signature import BARE

LABELS_MAY_DIFFER = {BARE: 0.01}
"""A signature's tolerance: the share of labels that may be others, where two classes are as likely but for rounding."""


class Segmenter(StagedBackbone):
    """A backbone that hands out its stages, and a decoder; parameters of the backbone are named as a classifier's."""

    def __init__(self, stem: Stem, stages: tuple[StageSpec, ...], decoder: PixelDecoder, num_classes: int) -> None:
        super().__init__(stem, stages, decoder.stages)
        self.head = build_decoder(decoder, [stage.width for stage in stages[-decoder.stages :]], num_classes)
        self.spec = decoder
        initialize(self)

    def small_logits(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to logits (N, classes, h, w) of the pixels of the decoder's finest input."""
        found: Tensor = self.head(*self.staged(image))
        return found

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to logits (N, classes, H, W): as they are learned, or such as give the labels of a target."""
        logits, size = self.small_logits(image), image.shape[-2:]
        if self.spec.answer == "labels" and not self.training:
            return F.interpolate(logits, size=size, mode="nearest")
        return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


class Labels(nn.Module):
    """A segmenter as it is deployed for labels: the class (N, h, w) of each pixel of its decoder's finest input."""

    def __init__(self, segmenter: nn.Module) -> None:
        super().__init__()
        self.segmenter = segmenter

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.segmenter.small_logits(image)  # type: ignore[operator]
        return logits.argmax(1)


def build_decoder(decoder: PixelDecoder, widths: Sequence[int], num_classes: int) -> nn.Module:
    """From the outputs of stages with these widths, the finest first, to logits of the pixels of the finest."""
    kind = PyramidDecoder if decoder.kind == "fpn" else WeightedDecoder
    return kind(widths, decoder.width, num_classes)


class PyramidDecoder(nn.Module):
    """A feature pyramid's finest level, and a separable 3x3 convolution to classes."""

    def __init__(self, widths: Sequence[int], width: int, num_classes: int) -> None:
        super().__init__()
        self.lateral = by_level({level: conv(own, width, 1, act=False) for level, own in enumerate(widths)})
        self.classifier = predictor(width, num_classes, dense=False)

    def forward(self, *stages: Tensor) -> Tensor:
        found: Tensor = self.classifier(top_down(self.lateral, stages)[0])
        return found


class WeightedDecoder(nn.Module):
    """LR-ASPP. Its classes are found before they are enlarged, which gives the same with fewer multiply-adds."""

    def __init__(self, widths: Sequence[int], width: int, num_classes: int) -> None:
        super().__init__()
        self.coarse = conv(widths[-1], width, 1)
        self.weights = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(widths[-1], width, 1, bias=False), nn.Sigmoid())
        self.fine_classes = nn.Conv2d(widths[0], num_classes, 1)
        self.coarse_classes = nn.Conv2d(width, num_classes, 1)

    def forward(self, *stages: Tensor) -> Tensor:
        fine, coarse = stages[0], stages[-1]
        logits = self.coarse_classes(self.coarse(coarse) * self.weights(coarse))
        logits = F.interpolate(logits, size=fine.shape[-2:], mode="bilinear", align_corners=False)
        return self.fine_classes(fine) + logits
