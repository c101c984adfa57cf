"""Vision transformers, plain or with tokens reduced."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from blockfront.adaptations import Adaptation, TokenCounts
from blockfront.blocks.deployment import fuse_branches
from blockfront.blocks.tokens import Reducer, TransformerMacs, reduce_tokens
from blockfront.design_space.network import KINDS, ImageNetwork
from blockfront.design_space.reduction import LEARNED, ReductionSpec, family_of
from blockfront.design_space.text import format_start, format_value, match_segment, parse_start
from blockfront.errors import UsageError
from blockfront.plurals import counted
from blockfront.results.cost import Cost


@dataclass(frozen=True)
class VitNetwork(ImageNetwork):
    """A vision transformer with a class token, as DeiT is built (arXiv:2012.12877), and its token reduction.

    `patch` is in pixels, `width` in channels of all `heads` together, the hidden layer of an MLP has `mlp_ratio` times
    as many. The text form is `vit_224_n1000/p16_d12_w192_h3_m4/tome_r8`: patch, depth, width, heads, MLP ratio, and
    the method with its options, where there is one. Raises `UsageError` for what cannot be built.
    """

    patch: int
    depth: int
    width: int
    heads: int
    mlp_ratio: float = 4.0
    reduction: ReductionSpec | None = None
    kind: Literal["vit"] = "vit"
    pooling: ClassVar[str] = "token"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "mlp_ratio", float(self.mlp_ratio))
        for name in ("patch", "depth", "width", "heads"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} of a transformer is at least 1, not {getattr(self, name)}")
        if self.resolution % self.patch:
            raise UsageError(f"patches of {self.patch} pixels do not divide {self.resolution}; change one of the two")
        if self.width % self.heads:
            raise UsageError(f"{self.heads} heads do not divide a width of {self.width}; change one of the two")
        if not 1 <= self.width * self.mlp_ratio < float("inf"):
            raise UsageError(f"an MLP of {format_value(self.mlp_ratio)} × {counted(self.width, 'channel')} has none")
        _ = self._reducer  # A method may refuse such a network, as cropr does one of two blocks.

    @property
    def family(self) -> str:
        """`vit`, or for a reduction `vit_<method>`."""
        return family_of(None if self.reduction is None else self.reduction.method)

    @property
    def adaptation(self) -> Adaptation[Any] | None:
        """The counts of learned thresholds."""
        return TokenCounts() if self.reduction is not None and self.reduction.method == LEARNED else None

    @cached_property
    def layers_cost(self) -> Cost:
        """Counted in closed form. What a method itself multiplies to score and match tokens is in it."""
        skeleton, reducer = self._skeleton, self._reducer
        macs = TransformerMacs.of(skeleton)
        attended = kept = [macs.tokens] * self.depth
        overhead = outputs = 0
        if reducer is not None:
            attended, kept = reducer.counts(macs.tokens)
            overhead, outputs = reducer.overhead(macs.tokens), reducer.outputs(macs.tokens)
        block, hidden = skeleton.blocks[0], int(self.width * self.mlp_ratio)
        layers = 4 * self.width * sum(attended) + (hidden + self.width) * sum(kept)
        return Cost(
            macs=int(macs.total(attended, kept)) + overhead,
            params=_elements(skeleton) + (self.depth - 1) * _elements(block) + _elements(reducer),
            activations=skeleton.patch_embed.num_patches * self.width + layers + outputs + self._logits(macs.tokens),
        )

    def build(self) -> nn.Module:
        backbone = self._transformer(self.depth)
        if self.reduction is None:
            return backbone
        return reduce_tokens(backbone, self.reduction.method, **dict(self.reduction.options))

    def _logits(self, tokens: int) -> int:
        """How many numbers the classifier gives."""
        return self.num_classes * (1 if self.pooling else tokens)

    @cached_property
    def _skeleton(self) -> VisionTransformer:
        """The backbone without memory, one block in the place of all: methods read no more of it."""
        with torch.device("meta"):
            skeleton = self._transformer(1)
        skeleton.blocks = nn.Sequential(*[skeleton.blocks[0]] * self.depth)
        return skeleton

    @cached_property
    def _reducer(self) -> Reducer | None:
        """What reduces tokens in the deployed network, without memory."""
        if self.reduction is None:
            return None
        with torch.device("meta"):
            reduced: Any = reduce_tokens(self._skeleton, self.reduction.method, **dict(self.reduction.options))
            if self.adaptation is not None:
                reduced = self.adaptation.adapt(reduced, None)
            reducer = fuse_branches(reduced.reducer)
        assert isinstance(reducer, Reducer)
        return reducer

    def _transformer(self, depth: int) -> VisionTransformer:
        return VisionTransformer(
            img_size=self.resolution,
            patch_size=self.patch,
            num_classes=self.num_classes,
            embed_dim=self.width,
            depth=depth,
            num_heads=self.heads,
            mlp_ratio=self.mlp_ratio,
            global_pool=self.pooling,
        )

    def __str__(self) -> str:
        size = f"p{self.patch}_d{self.depth}_w{self.width}_h{self.heads}_m{format_value(self.mlp_ratio)}"
        segments = [format_start(self.kind, self.resolution, self.num_classes, self.task), size]
        return "/".join(segments if self.reduction is None else [*segments, str(self.reduction)])

    @classmethod
    def from_segments(cls, segments: list[str]) -> Self:
        return cls(**cls.parse_fields(segments))

    @classmethod
    def parse_fields(cls, segments: list[str]) -> dict[str, Any]:
        """Fields of a transformer by name; raises `UsageError` that shows the segment which is wrong."""
        if not 2 <= len(segments) <= 3:
            form = f"{cls.kind}_<resolution>_n<classes>/p..._d..._w..._h..._m...[/<method>]"
            raise UsageError(f"network {'/'.join(segments)!r} is not {form}")
        resolution, num_classes, task = parse_start(cls.kind, segments[0])
        *sizes, ratio = match_segment(
            segments[1],
            r"p(\d+)_d(\d+)_w(\d+)_h(\d+)_m(\d+(?:\.\d+)?)",
            "p<patch>_d<depth>_w<width>_h<heads>_m<MLP ratio>",
        )
        reduction = ReductionSpec.parse(segments[2]) if len(segments) == 3 else None
        numbers = dict(zip(("patch", "depth", "width", "heads"), map(int, sizes), strict=True))
        start = {"resolution": resolution, "num_classes": num_classes, "task": task}
        return {**start, **numbers, "mlp_ratio": float(ratio), "reduction": reduction}


def _elements(module: nn.Module | None) -> int:
    return 0 if module is None else sum(parameter.numel() for parameter in module.parameters())


KINDS.add("vit", VitNetwork)
