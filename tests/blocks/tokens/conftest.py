from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn


def _sharpened(model: nn.Module, deviation: float = 0.2) -> nn.Module:
    """Weights so large that attention tells tokens apart; a fresh network treats all alike."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() >= 2 or name.endswith("bias"):
                parameter.normal_(std=deviation, generator=generator)
    return model.eval()


@pytest.fixture
def make_vit() -> Callable[..., VisionTransformer]:
    """A small transformer of 64 patches and, by default, a class token; keywords are timm's."""

    def make(cls: type[VisionTransformer] = VisionTransformer, **options: object) -> VisionTransformer:
        size = {"img_size": 32, "patch_size": 4, "embed_dim": 48, "depth": 4, "num_heads": 3, "num_classes": 10}
        return _sharpened(cls(**(size | options)))

    return make


@pytest.fixture
def vit(make_vit) -> VisionTransformer:
    return make_vit()


@pytest.fixture
def images() -> Tensor:
    """Four images; the last two are flat in places, so that tokens are equal."""
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    images[2, :, :16] = 0.5
    images[3, :, 8:, 8:] = -1.0
    return images
