"""What follows a detector in its C library: decoding, suppression and masks, compiled as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from blockfront.signature import leaves

if TYPE_CHECKING:
    from torch import nn

    from blockfront.signature import Signature
    from blockfront.targets import Target
    from blockfront.targets.library import BoxPrograms

_SPREAD = 3.0
"""The standard deviation of the logits that suppression is compared on, which leave many boxes."""


def compile_boxes(detector: Any, deployed: nn.Module, image: Signature, target: Target, threads: int) -> BoxPrograms:
    """Of a detector with anchors, whose `deployed` module takes `image` to logits, deltas and what masks are made of.

    Decoding is compared with torch as networks are; suppression must give the very boxes, and is tried on scores of
    random logits, which leave more than a trained detector's. Raises `RunError` where they do not.
    """
    from blockfront.targets.compiler.compiling import compile_model
    from blockfront.targets.library import BoxPrograms
    from blockfront.tasks.box_suppression import box_steps

    steps = box_steps(detector)
    with torch.inference_mode():
        logits, deltas, *parts = (tensor for _, tensor in leaves(deployed(*image.random(0))))
        wide = _SPREAD * torch.randn(logits.shape, generator=torch.Generator().manual_seed(0))
        scores, boxes = steps.decoding(wide, deltas).values()
    limits = steps.suppression.limits
    return BoxPrograms(
        {
            name: compile_model(module, signature, target, threads=threads, alone=True)
            for name, (module, signature) in steps.signed(scores, boxes, parts).items()
        },
        scores.shape[-1],
        limits.threshold,
        limits.candidates,
        limits.overlap,
    )
