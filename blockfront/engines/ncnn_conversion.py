"""A torch module to ncnn's files, by pnnx."""

from __future__ import annotations

import copy
import subprocess
import warnings
from pathlib import Path
from typing import Any

import torch
from timm.models.vision_transformer import Attention
from torch.nn.functional import scaled_dot_product_attention

from blockfront.errors import RunError, first_line
from blockfront.signature import Signature


def replace_attention(model: Any) -> None:
    """Compute queries, keys and values without timm's five dimensions, of which ncnn knows four; in place."""

    class FourDimensional(torch.nn.Module):
        def __init__(self, original: Any) -> None:
            super().__init__()
            self.original = original

        def forward(self, tokens: torch.Tensor, attn_mask: None = None, is_causal: bool = False) -> torch.Tensor:
            assert attn_mask is None
            assert not is_causal
            its, (batch, count, width) = self.original, tokens.shape
            heads = [
                part.reshape(batch, count, its.num_heads, -1).transpose(1, 2) for part in its.qkv(tokens).chunk(3, -1)
            ]
            query, key, value = its.q_norm(heads[0]), its.k_norm(heads[1]), heads[2]
            mixed = scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(batch, count, width)
            return its.proj(its.norm(mixed))

    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Attention):
                setattr(parent, name, FourDimensional(child))


def convert(model: Any, signature: Signature, folder: Path, binary: Path) -> None:
    """Write ncnn's model.ncnn.param and model.ncnn.bin by pnnx's `binary`.

    Raises `RunError` for a model that torch cannot trace or pnnx cannot convert.
    """
    model = copy.deepcopy(model)
    replace_attention(model)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.trace(model, signature.zeros()).save(str(folder / "model.pt"))
    except (RuntimeError, TypeError, ValueError) as error:
        raise RunError(f"torch cannot trace it for pnnx: {first_line(error)}") from error
    shape = f"inputshape=[{','.join(map(str, signature.inputs[0].shape))}]"
    done = subprocess.run(
        [str(binary), "model.pt", shape, "fp16=0"], cwd=folder, capture_output=True, text=True, timeout=600
    )
    if done.returncode or not (folder / "model.ncnn.bin").exists():
        said = done.stderr.strip().splitlines()
        raise RunError(f"pnnx failed: {said[-1][:300] if said else f'exit code {done.returncode}'}")
    for left in folder.glob("model*"):
        if ".ncnn." not in left.name:
            left.unlink()
