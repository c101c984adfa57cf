"""timm's attention with what token reduction needs of it: sizes, masks, attention weights and keys."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from timm.layers import Attention
from timm.models.vision_transformer import Block, ResPostBlock
from torch import Tensor, nn
from torch.nn import functional as F

from blockfront.blocks.tokens.state import Tokens


@dataclass(frozen=True)
class Attended:
    """What a block's attention tells of its tokens.

    `keys` (B, n, head width): averaged over the heads, after any normalisation; `weights` (B, heads, n, n): rows are
    queries and sum to 1, None unless asked for; `mask`: the tokens' mask.
    """

    keys: Tensor
    weights: Tensor | None
    mask: Tensor | None

    @property
    def importance(self) -> Tensor:
        """(B, n): the mean attention a token gets from every active query of every head; sums to 1 over the tokens."""
        if self.mask is None:
            return self._weights.mean((1, 2))
        rows = self.mask.detach()
        return (self._weights.mean(1) * rows.unsqueeze(-1)).sum(1) / rows.sum(1, keepdim=True)

    @property
    def of_class_token(self) -> Tensor:
        """(B, n): the attention the class token pays to each token, averaged over the heads."""
        return self._weights[:, :, 0].mean(1)

    @property
    def _weights(self) -> Tensor:
        assert self.weights is not None, "the reducer did not ask for attention weights"
        return self.weights


def attention_branch(block: nn.Module, tokens: Tokens, weights: bool, proportional: bool) -> tuple[Tensor, Attended]:
    """The block's attention branch, to be added to its input, and what it tells of the tokens.

    `proportional` attention adds log(size) to every score of a token's column (Bolya et al. 2023, arXiv:2210.09461,
    eq. 1), so that a token of size s counts as s equal tokens.
    """
    bias = tokens.size.log()[:, None, None, :] if proportional and tokens.size is not None else None
    if isinstance(block, ResPostBlock):
        y, attended = _attend(block.attn, tokens.x, bias, tokens.mask, weights)
        return block.drop_path1(block.norm1(y)), attended
    assert isinstance(block, Block)
    y, attended = _attend(block.attn, block.norm1(tokens.x), bias, tokens.mask, weights)
    return block.drop_path1(block.ls1(y)), attended


def mlp_branch(block: nn.Module, x: Tensor) -> Tensor:
    """The block's MLP branch, to be added to its input."""
    if isinstance(block, ResPostBlock):
        return block.drop_path2(block.norm2(block.mlp(x)))
    assert isinstance(block, Block)
    return block.drop_path2(block.ls2(block.mlp(block.norm2(x))))


def _attend(
    layer: Attention, x: Tensor, bias: Tensor | None, mask: Tensor | None, weights: bool
) -> tuple[Tensor, Attended]:
    batch, length, _ = x.shape
    qkv = layer.qkv(x).reshape(batch, length, 3, layer.num_heads, layer.head_dim).permute(2, 0, 3, 1, 4)
    query, key, value = qkv.unbind(0)
    query, key = layer.q_norm(query), layer.k_norm(key)
    bias = None if bias is None else bias.to(query.dtype)
    probabilities = None
    if weights or mask is not None or not layer.fused_attn:
        scores = (query * layer.scale) @ key.transpose(-2, -1)
        if mask is None:
            probabilities = (scores if bias is None else scores + bias).softmax(-1)
        elif torch.is_grad_enabled():
            probabilities = _masked_softmax(scores if bias is None else scores + bias, mask)
        else:
            ignored = (1 - mask[:, None, None, :]) * (torch.finfo(scores.dtype).min / 2)
            probabilities = (scores + (ignored if bias is None else bias + ignored)).softmax(-1)
        mixed = layer.attn_drop(probabilities) @ value
    else:
        dropout = layer.attn_drop.p if layer.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)
    mixed = layer.norm(mixed.transpose(1, 2).reshape(batch, length, layer.attn_dim))
    if layer.gate is not None:
        mixed = mixed * layer.gate(x).sigmoid()
    return layer.proj_drop(layer.proj(mixed)), Attended(key.mean(1), probabilities, mask)


def _masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """exp(a_ij) m_j / Σ_k exp(a_ik) m_k, with a gradient for the mask of every column, active or not.

    The maximum is that of active columns, and inactive ones are cut off there, so that none can overflow.
    """
    columns = mask[:, None, None, :]
    lowest = torch.finfo(scores.dtype).min
    highest = scores.detach().masked_fill(columns == 0, lowest).amax(-1, keepdim=True)
    weights = (scores - highest).clamp(max=0).exp() * columns
    return weights / weights.sum(-1, keepdim=True)
