"""timm's policies of augmentation: whether a text is one, and what it does to images in memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL.Image import Image
from timm.data import create_transform
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor, to_pil_image

from blockfront.errors import UsageError, first_line

Policy = Callable[[Image], Image]


def make_policy(text: str, size: int, mean: float = 0.5) -> Policy:
    """What a policy, such as `rand-m9-mstd0.5`, makes of RGB pictures of `size` pixels, the mean where it bares some.

    Raises `UsageError` for a text that is none.
    """
    try:
        _, policy, _ = create_transform(
            size, is_training=True, color_jitter=None, auto_augment=text, mean=(mean,) * 3, separate=True
        )
    except Exception as error:
        reason = first_line(error)
        raise UsageError(
            f"auto_augment {text!r} is no policy of timm's ({reason}); take one such as rand-m9-mstd0.5, augmix-m3-w3 "
            "or original"
        ) from error
    return policy


def under_policy(images: Tensor, policy: Policy) -> Tensor:
    """Images (N, 1 or 3, H, W) from 0 to 1, each through the policy: grey ones as RGB, and grey again."""
    grey = images.shape[1] == 1
    done = [policy(to_pil_image((255 * image).round().byte()).convert("RGB")) for image in images.expand(-1, 3, -1, -1)]
    return torch.stack([pil_to_tensor(image.convert("L") if grey else image) for image in done]).float() / 255
