"""Multiply-accumulates of a transformer as a function of how many tokens each layer works on.

F = outside + Σ_l [a_l n_l + 2 w n_l² + m_l k_l], with n_l tokens before the attention and k_l before the MLP of block
l, a and m the weights of their linear layers, w the heads' width together. With the usual MLP of four times the width
D that is 4nD² + 2n²D + 8kD². What a method itself computes to score and match tokens is not in it: papers leave it
out, and `Reducer.overhead` counts it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from blockfront.errors import UsageError

_Counts = Sequence[float] | Sequence[int] | Tensor


@dataclass(frozen=True)
class BlockMacs:
    """A block's MACs: for each token of its attention, for each pair of them, for each token of its MLP."""

    attention: int
    pairs: int
    mlp: int


@dataclass(frozen=True)
class TransformerMacs:
    """The MACs of a whole network: `outside` its blocks (patches and classifier), and of `blocks` by tokens.

    `tokens`: how many the image becomes, prefix included. Without pooling the classifier has all of them.
    """

    outside: int
    tokens: int
    blocks: tuple[BlockMacs, ...]

    @classmethod
    def of(cls, backbone: VisionTransformer) -> TransformerMacs:
        """Raises `UsageError` for patches that are not embedded by one convolution."""
        convolution = getattr(backbone.patch_embed, "proj", None)
        if not isinstance(convolution, nn.Conv2d):
            raise UsageError("MACs are known for patches embedded by one convolution, and these are not")
        patches = backbone.patch_embed.num_patches
        tokens = patches + backbone.num_prefix_tokens
        heads = [backbone.head, getattr(backbone, "head_dist", None)]
        classifier = sum(head.weight.numel() for head in heads if isinstance(head, nn.Linear))
        blocks = tuple(
            BlockMacs(_linear(block.attn), 2 * block.attn.attn_dim, _linear(block.mlp)) for block in backbone.blocks
        )
        outside = patches * convolution.weight.numel() + classifier * (tokens if backbone.global_pool == "" else 1)
        return cls(outside, tokens, blocks)

    @property
    def plain(self) -> int:
        """MACs with no token removed."""
        everywhere = [self.tokens] * len(self.blocks)
        return int(self.total(everywhere, everywhere))

    def inside(self, attended: _Counts, kept: _Counts) -> float:
        """MACs of the blocks for the tokens before each attention and each MLP; (blocks, B) tensors give (B,)."""
        terms = zip(self.blocks, attended, kept, strict=True)
        return sum(block.attention * n + block.pairs * n**2 + block.mlp * k for block, n, k in terms)

    def total(self, attended: _Counts, kept: _Counts) -> float:
        """MACs of the network."""
        return self.outside + self.inside(attended, kept)

    def share(self, attended: _Counts, kept: _Counts) -> float:
        """MACs of the blocks relative to no token removed: 1 for the plain network."""
        everywhere = [self.tokens] * len(self.blocks)
        return self.inside(attended, kept) / self.inside(everywhere, everywhere)

    def share_of(self, total: float) -> float:
        """The same of a network whose MACs are `total`."""
        return (total - self.outside) / (self.plain - self.outside)


def solve_share(share: Callable[[float], float], low: float, high: float, target: float, method: str) -> float:
    """The parameter between `low` (most MACs) and `high` (least) at which `share` comes nearest to `target`.

    `share` falls with its parameter, perhaps in steps. Raises `UsageError` where the target is below what `high` gives
    by more than 1 % of it.
    """
    if share(high) > target * 1.01:
        raise UsageError(
            f"target {target} is out of reach: {method} leaves {share(high):.3f} or more of the blocks' MACs"
        )
    for _ in range(40):
        middle = (low + high) / 2
        if share(middle) > target:
            low = middle
        else:
            high = middle
    return min(low, high, key=lambda parameter: abs(share(parameter) - target))


def _linear(module: nn.Module) -> int:
    return sum(layer.weight.numel() for layer in module.modules() if isinstance(layer, nn.Linear))
