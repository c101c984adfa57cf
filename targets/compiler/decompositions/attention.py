"""Attention with arguments that its rule does not read."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from blockfront.errors import RunError
from blockfront.targets.compiler.decompositions.registry import decomposes


@decomposes("scaled_dot_product_attention.default")
def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    if dropout_p:
        raise RunError("attention with dropout_p above 0 in evaluation mode: its output is random")
    groups = query.shape[-3] // key.shape[-3] if enable_gqa else 1
    if groups > 1:
        key, value = (
            one.unsqueeze(-3).expand(*one.shape[:-2], groups, *one.shape[-2:]).flatten(-4, -3) for one in (key, value)
        )
    if is_causal:
        attn_mask = torch.full((query.shape[-2], key.shape[-2]), -1e30).triu(1)
    elif attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = (attn_mask.to(query.dtype) - 1) * 1e30
    return F.scaled_dot_product_attention(query, key, value, attn_mask, scale=scale)
