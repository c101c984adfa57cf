"""Modules as they are at inference."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def in_evaluation(module: nn.Module) -> nn.Module:
    """`module` in evaluation mode; one of torch.export stays in the mode it was exported in, for it takes no other."""
    try:
        return module.eval()
    except NotImplementedError:
        return module
