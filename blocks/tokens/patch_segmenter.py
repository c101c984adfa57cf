"""Segmentation by a transformer's patches: each patch's logits, enlarged to the image."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from timm.models.vision_transformer import VisionTransformer
from torch import Tensor
from torch.nn import functional as F

from blockfront.blocks.tokens.reducer import Reducer
from blockfront.blocks.tokens.state import Run, Tokens
from blockfront.blocks.tokens.transformer import ReducedTransformer, parts_of


class PatchSegmenter(ReducedTransformer):
    """Images (B, 3, H, W) to logits (B, classes, H, W): the backbone's head on every patch, and bilinear enlargement.

    The backbone is one without pooling. This is the linear decoder of Segmenter (Strudel et al. 2021), by which Token
    Cropr segments (Bergner et al. 2025, CVPR, p. 9740). With `by_patch` all pixels of a patch have its own logits
    outside training, which give the labels of a target that is asked for one a patch.
    """

    def __init__(
        self,
        backbone: VisionTransformer,
        method: str,
        options: Any,
        reducer: Reducer,
        plan: Any = None,
        by_patch: bool = False,
    ) -> None:
        super().__init__(backbone, method, options, reducer, plan)
        self.by_patch = by_patch

    @classmethod
    def of(cls, model: VisionTransformer | ReducedTransformer, by_patch: bool = False) -> PatchSegmenter:
        """A segmenter of a transformer without pooling, reduced or not; weights are shared."""
        return cls(*parts_of(model), by_patch)

    def with_reducer(self, reducer: Reducer, plan: Any = None) -> PatchSegmenter:
        return PatchSegmenter(self.backbone, self.method, self.options, reducer, plan, self.by_patch)

    @property
    def unreduced(self) -> PatchSegmenter:
        return PatchSegmenter.of(self.backbone, self.by_patch)

    def small_logits(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to logits (B, classes, rows, columns) of the patches."""
        return self._patches(self.encode(images)[0])

    def loss(self, images: Tensor, labels: Tensor, criterion: Callable[[Any, Tensor], Tensor]) -> Tensor:
        """The criterion on the logits, and the method's own terms.

        Auxiliary heads give logits of patches, which are compared with the labels of the patches' first pixels.
        """

        def compared(logits: Tensor, labels: Tensor) -> Tensor:
            step = labels.shape[-1] // logits.shape[-1]
            return criterion(logits, labels[:, ::step, ::step])

        return self.reducer.loss(self.run(images), labels, compared)

    def run(self, images: Tensor, trace_sources: bool = False) -> Run:
        """One pass; its logits are those of pixels, auxiliary ones (B, classes, rows, columns) of patches."""
        run = super().run(images, trace_sources)
        return dataclasses.replace(run, auxiliary=tuple(self.raster(logits) for logits in run.auxiliary))

    def _classify(self, tokens: Tokens) -> Tensor:
        patches, size = self._patches(tokens), self.backbone.patch_embed.img_size
        if self.by_patch and not self.training:
            return F.interpolate(patches, size=size, mode="nearest")
        return F.interpolate(patches, size=size, mode="bilinear", align_corners=False)

    def _patches(self, tokens: Tokens) -> Tensor:
        return self.raster(super()._classify(tokens))
