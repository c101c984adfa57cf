"""Weights as a file: safetensors, with what they are of in its header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import safetensors.torch
from torch import nn


def pack_weights(module: nn.Module, facts: Mapping[str, Any]) -> bytes:
    """A safetensors file of a module's parameters and buffers; `facts` are its metadata, as text or as JSON."""
    # Apart from each other: the format refuses tensors that share memory.
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in module.state_dict().items()}
    texts = {
        name: fact if isinstance(fact, str) else json.dumps(msgspec.to_builtins(fact)) for name, fact in facts.items()
    }
    return safetensors.torch.save(tensors, metadata=texts)
