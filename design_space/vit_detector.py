"""A vision transformer that finds boxes, as a module: the map of its patches, a simple feature pyramid, a head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from blockfront.blocks.tokens import ReducedTransformer, Reducer, Tokens, parts_of
from blockfront.design_space.build import initialize
from blockfront.design_space.detector import LevelHeads, WithAnchors, by_level, conv
from blockfront.design_space.detector_head import DetectorHead
from blockfront.tasks import AnchorOutputs, present_classes


class RasterHead(NamedTuple):
    """A head on levels that are all made of one map: the finest has twice its rows and columns, `finer` times over."""

    head: DetectorHead
    finer: int

    def sides(self, raster: int) -> tuple[int, ...]:
        """Height and width of the levels before any extra ones, of a map of this height and width."""
        found = [raster << self.finer]
        while len(found) < self.head.stages:
            found.append(-(-found[-1] // 2))
        return tuple(found)


class RasterHeads(LevelHeads):
    """All that follows a transformer: a simple feature pyramid (Li et al. 2022, arXiv:2203.16527, section 3), a head.

    Every level is made of the last map (N, width, h, w) alone: a finer one by transposed 2x2 convolutions of stride 2,
    here a 1x1 convolution and a shuffle of its channels, each of which halves the channels; a coarser one by max
    pooling. A 1x1 and a depthwise 3x3 convolution follow, as in the pyramid of other detectors, and nothing is added.
    """

    added: ClassVar[bool] = False

    def __init__(self, spec: RasterHead, widths: Sequence[int], num_classes: int) -> None:
        (width,) = widths
        steps = [spec.finer - level for level in range(spec.head.stages)]
        super().__init__(spec.head, [width >> max(step, 0) for step in steps], num_classes)
        self.resized = by_level({level: _resizing(width, steps[level]) for level in self.needed if steps[level]})

    def _levels(self, stages: Sequence[Tensor]) -> list[Tensor]:
        (raster,) = stages
        every = map(str, range(self.spec.stages))
        return super()._levels([self.resized[level](raster) if level in self.resized else raster for level in every])


class VitDetector(WithAnchors, ReducedTransformer):
    """Images (B, 3, H, W) to the outputs of all anchors: the backbone's patches as a map, and a head on it.

    The backbone is one without pooling and without a classifier.
    """

    def __init__(
        self,
        backbone: VisionTransformer,
        method: str,
        options: Any,
        reducer: Reducer,
        plan: Any,
        head: LevelHeads,
        anchors: Tensor,
    ) -> None:
        super().__init__(backbone, method, options, reducer, plan)
        self.head = head
        self.background = head.spec.background
        self.register_buffer("anchors", anchors, persistent=False)

    @classmethod
    def of(cls, model: VisionTransformer | ReducedTransformer, head: LevelHeads, anchors: Tensor) -> VitDetector:
        """A detector of a transformer, reduced or not, whose weights are shared, and a new head."""
        initialize(head)
        head.prefer_background()
        return cls(*parts_of(model), head, anchors)

    def with_reducer(self, reducer: Reducer, plan: Any = None) -> VitDetector:
        return VitDetector(self.backbone, self.method, self.options, reducer, plan, self.head, self.anchors)

    @property
    def unreduced(self) -> VitDetector:
        return VitDetector(*parts_of(self.backbone), self.head, self.anchors)

    def loss(self, images: Tensor, targets: Tensor, criterion: Callable[[Any, Tensor], Tensor]) -> Tensor:
        """The criterion on the outputs, and the method's own terms.

        Auxiliary heads say which classes the image has objects of (Bergner et al. 2025, CVPR, p. 9740): binary
        cross-entropy.
        """

        def compared(found: Any, targets: Tensor) -> Tensor:
            if isinstance(found, AnchorOutputs):
                return criterion(found, targets)
            return F.binary_cross_entropy_with_logits(found, present_classes(targets, found.shape[-1]))

        return self.reducer.loss(self.run(images), targets, compared)

    def _classify(self, tokens: Tokens) -> AnchorOutputs:
        logits, deltas, *masks = self.head(self.raster(super()._classify(tokens)))
        return AnchorOutputs(logits, deltas, self.anchors, self.background, *masks)


def _resizing(width: int, doublings: int) -> nn.Module:
    """(N, width, h, w) to a map `doublings` times twice as fine, with channels halved each time, or as coarse."""
    if doublings < 0:
        return nn.MaxPool2d(2**-doublings, ceil_mode=True)
    layers: list[nn.Module] = []
    for step in range(doublings):
        own = width >> step
        layers += [nn.GELU()] * (step > 0) + [conv(own, 4 * (own // 2), 1, act=False), nn.PixelShuffle(2)]
    return nn.Sequential(*layers)
