"""From the parts of a detector to a module."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blockfront.design_space.build import StagedBackbone, initialize
from blockfront.design_space.detector_head import DetectorHead
from blockfront.design_space.spec import StageSpec, Stem
from blockfront.tasks import AnchorOutputs
from blockfront.tasks.box_suppression import BoxDecoding

PRIOR = 0.01
"""How likely an anchor is thought to be an object's before anything is learned (Lin et al. 2017, section 4.1)."""


class WithAnchors:
    """What modules that find boxes by anchors offer, whatever their backbone is."""

    anchors: Tensor
    background: bool
    head: Any

    @property
    def finds_masks(self) -> bool:
        """Whether there are coefficients and prototypes as well."""
        return bool(self.head.spec.prototypes)

    def decoding(self) -> BoxDecoding:
        """From its outputs to scores of each class and boxes."""
        return BoxDecoding(self.anchors.detach().clone(), self.background)


class Detector(WithAnchors, StagedBackbone):
    """A backbone that hands out its stages, and a head; parameters of the backbone are named as a classifier's."""

    def __init__(
        self, stem: Stem, stages: tuple[StageSpec, ...], head: DetectorHead, num_classes: int, sides: tuple[int, ...]
    ) -> None:
        super().__init__(stem, stages, head.stages)
        self.head = LevelHeads(head, [stage.width for stage in stages[-head.stages :]], num_classes)
        self.background = head.background
        self.register_buffer("anchors", head.anchors(sides), persistent=False)
        initialize(self)
        self.head.prefer_background()

    def forward(self, image: Tensor) -> AnchorOutputs:
        """(N, 3, H, W) to the outputs of all anchors."""
        logits, deltas, *masks = self.head(*self.staged(image))
        return AnchorOutputs(logits, deltas, self.anchors, self.background, *masks)


class AnchorsApart(nn.Module):
    """A detector as it is deployed: logits and encoded boxes, with masks coefficients and prototypes, by name.

    Anchors are the same for all images.
    """

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        outputs = self.detector(image)
        found = {"logits": outputs.logits, "deltas": outputs.deltas}
        masks = {"coefficients": outputs.coefficients, "prototypes": outputs.prototypes}
        return found | {name: one for name, one in masks.items() if one is not None}


class LevelHeads(nn.Module):
    """All that follows a backbone: pyramid, extra levels, and what gives classes and boxes of each level.

    What no level with slots needs has no layers. Modules are named by the number of their level, so that a head with
    fewer slots has the same names. `added`: each level of the pyramid has the one above it added.
    """

    added: ClassVar[bool] = True

    def __init__(self, head: DetectorHead, widths: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.spec, self.classes = head, num_classes + head.background
        used = [level for level, slots in enumerate(head.slots) if slots]
        dense, stages = head.kind == "ssd", head.stages
        self.last = max(used)
        self.needed = [level for level in range(stages) if level in used or level == stages - 1 < self.last]
        smooth = self.needed if head.fpn else []
        lateral = list(range(smooth[0], stages)) if smooth and self.added else smooth
        self.lateral = by_level({level: conv(widths[level], head.fpn, 1, act=False) for level in lateral})
        self.smooth = by_level({level: three_by_three(head.fpn, head.fpn, dense, pointwise=False) for level in smooth})
        width = [head.fpn or own for own in widths] + list(head.extras)
        self.extra = by_level(
            {level: _extra(width[level - 1], width[level], dense) for level in range(stages, self.last + 1)}
        )
        self.each = (self.classes, 4, head.prototypes) if head.prototypes else (self.classes, 4)
        if head.prototypes:
            finest = width[used[0]]
            self.prototypes = nn.Sequential(
                three_by_three(finest, finest, dense),
                nn.Upsample(scale_factor=2, mode="nearest"),
                three_by_three(finest, finest, dense),
                nn.Conv2d(finest, head.prototypes, 1),
                nn.ReLU(),
            )
        if head.kind == "retina":
            slots = head.counts[used[0]]
            self.shared = nn.ModuleList(_tower(head, slots * each) for each in self.each)
        else:
            self.own = by_level(
                {
                    level: nn.ModuleList(
                        predictor(width[level], head.counts[level] * each, dense) for each in self.each
                    )
                    for level in used
                }
            )

    def forward(self, *stages: Tensor) -> tuple[Tensor, ...]:
        """Outputs of the stages to logits (N, boxes, classes) and encoded boxes (N, boxes, 4).

        With prototypes to coefficients (N, boxes, prototypes) and these (N, prototypes, h, w) as well, twice as fine as
        the finest level.
        """
        levels = self._levels(stages)
        parts: tuple[list[Tensor], ...] = tuple([] for _ in self.each)
        for level, slots in enumerate(self.spec.slots):
            if not slots:
                continue
            layers: Any = self.shared if self.spec.kind == "retina" else self.own[str(level)]
            for layer, into, each in zip(layers, parts, self.each, strict=True):
                found = layer(levels[level])
                # Slots of one place lie next to each other.
                into.append(found.permute(0, 2, 3, 1).reshape(len(found), -1, each))
        logits, deltas, *coefficients = (torch.cat(part, dim=1) for part in parts)
        if not coefficients:
            return logits, deltas
        finest = next(level for level, slots in enumerate(self.spec.slots) if slots)
        return logits, deltas, coefficients[0].tanh(), self.prototypes(levels[finest])

    def _levels(self, stages: Sequence[Tensor]) -> list[Tensor]:
        levels = list(stages)
        if self.spec.fpn:
            for level, own in top_down(self.lateral, stages, self.added).items():
                levels[level] = self.smooth[str(level)](own) if str(level) in self.smooth else own
        for level in range(len(stages), self.last + 1):
            levels.append(self.extra[str(level)](levels[-1]))
        return levels

    def prefer_background(self) -> None:
        """Weights and biases of the last layers by which every anchor is most likely no object's."""
        pairs: list[Any] = [self.shared] if self.spec.kind == "retina" else list(self.own.values())
        for classes, boxes, *_ in pairs:
            for last in (classes[-1], boxes[-1]):
                nn.init.normal_(last.weight, std=0.01)
                nn.init.zeros_(last.bias)
            with torch.no_grad():
                bias = classes[-1].bias.view(-1, self.classes)
                if self.spec.background:
                    bias[:, -1] = math.log((1 - PRIOR) / PRIOR)
                else:
                    bias.fill_(-math.log((1 - PRIOR) / PRIOR))


def top_down(lateral: nn.ModuleDict, stages: Sequence[Tensor], added: bool = True) -> dict[int, Tensor]:
    """A feature pyramid before its last layers: outputs of stages, the finest first, by level.

    Each that has a module of `lateral` goes through it, and has the level above it `added`.
    """
    found: dict[int, Tensor] = {}
    for level in reversed(range(len(stages))):
        if str(level) not in lateral:
            continue
        own = lateral[str(level)](stages[level])
        if added and level + 1 in found:
            own = own + F.interpolate(found[level + 1], size=own.shape[-2:], mode="nearest")
        found[level] = own
    return found


def conv(in_chs: int, out_chs: int, kernel: int, stride: int = 1, groups: int = 1, act: bool = True) -> nn.Sequential:
    """A convolution that keeps the size but for its stride, batch norm, and ReLU6 unless told otherwise."""
    layer = nn.Conv2d(in_chs, out_chs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(out_chs), *([nn.ReLU6()] if act else []))


def three_by_three(in_chs: int, out_chs: int, dense: bool, stride: int = 1, pointwise: bool = True) -> nn.Sequential:
    """A 3x3 convolution, dense or depthwise, the latter with a pointwise one behind it unless told otherwise."""
    if dense:
        return conv(in_chs, out_chs, 3, stride)
    depthwise = conv(in_chs, in_chs, 3, stride, groups=in_chs)
    return nn.Sequential(*depthwise, *conv(in_chs, out_chs, 1)) if pointwise else depthwise


def predictor(in_chs: int, outputs: int, dense: bool) -> nn.Sequential:
    """What gives classes or boxes of a level: SSD's 3x3 convolution, or SSDLite's separable one."""
    if dense:
        return nn.Sequential(nn.Conv2d(in_chs, outputs, 3, padding=1))
    return nn.Sequential(*conv(in_chs, in_chs, 3, groups=in_chs), nn.Conv2d(in_chs, outputs, 1))


def _tower(head: DetectorHead, outputs: int) -> nn.Sequential:
    towers = [layer for _ in range(head.towers) for layer in three_by_three(head.fpn, head.fpn, False)]
    return nn.Sequential(*towers, *predictor(head.fpn, outputs, False))


def _extra(in_chs: int, out_chs: int, dense: bool) -> nn.Sequential:
    half = out_chs // 2
    return nn.Sequential(conv(in_chs, half, 1), three_by_three(half, out_chs, dense, stride=2))


def by_level(modules: dict[int, nn.Module]) -> nn.ModuleDict:
    """Modules under the numbers of their levels."""
    return nn.ModuleDict({str(level): module for level, module in modules.items()})
