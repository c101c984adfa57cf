"""What follows a detector in its C library: decoding and suppression, compiled as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from blockfront.signature import Input, Signature, leaves

if TYPE_CHECKING:
    from torch import nn

    from blockfront.targets import Target
    from blockfront.targets.library import BoxPrograms

_SPREAD = 3.0
"""The standard deviation of the logits that suppression is compared on, which leave many boxes."""


def compile_boxes(detector: Any, deployed: nn.Module, image: Signature, target: Target, threads: int) -> BoxPrograms:
    """Of a detector with anchors, whose `deployed` module takes `image` to logits and deltas.

    Decoding is compared with torch as networks are; suppression must give the very boxes, and is tried on scores of
    random logits, which leave more than a trained detector's. Raises `RunError` where they do not.
    """
    from blockfront.targets.compiler.compiling import compile_model
    from blockfront.targets.library import BoxPrograms
    from blockfront.tasks.box_suppression import EQUAL, box_steps

    decoding, suppression = box_steps(detector)
    with torch.inference_mode():
        logits, deltas = (tensor for _, tensor in leaves(deployed(*image.random(0))))
        wide = _SPREAD * torch.randn(logits.shape, generator=torch.Generator().manual_seed(0))
        scores, boxes = decoding(wide, deltas).values()
    decode = Signature((Input("logits", tuple(logits.shape)), Input("deltas", tuple(deltas.shape))))
    suppress = Signature(
        (Input("scores", tuple(scores.shape)), Input("boxes", tuple(boxes.shape))), EQUAL, ((scores, boxes),)
    )
    limits = suppression.limits
    return BoxPrograms(
        compile_model(decoding, decode, target, threads=threads, alone=True),
        compile_model(suppression, suppress, target, threads=threads, alone=True),
        scores.shape[-1],
        limits.threshold,
        limits.candidates,
        limits.overlap,
    )
